"""A real file system that is full, or may only be read: clear errors, nothing lost, nothing made twice."""

import os
import subprocess
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from cli.base.errors import KitError, UserError
from cli.stack.room import KEPT_BACK
from tests.promises.aws_cloud import AwsStack, Emulator, Proxy, running_emulator

SIZE = KEPT_BACK + 8 * 1024**2
MORE = [f"n{number}" for number in range(6)]
LATER = [f"m{number}" for number in range(6)]
HEAD = f'T = {{"text": "{"x" * 200}"}}\naws.iam.User("first", name="first")\n'


def with_users(*names: str) -> str:
    """A program that makes these beside the first."""
    return HEAD + "".join(f'aws.iam.User("{name}", name="{name}", tags=T)\n' for name in names)


@pytest.fixture
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running_emulator(tmp_path_factory.mktemp("disk") / "aws") as running:
        yield running


@pytest.fixture
def disk(stack: AwsStack) -> Iterator[Path]:
    """The state's folder as a small file system of its own."""
    options = ["-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(stack.state)]
    if os.geteuid() != 0 or subprocess.run(["mount", *options], check=False).returncode != 0:
        pytest.skip("only root may mount")
    yield stack.state
    subprocess.run(["mount", "-o", "remount,rw", str(stack.state)], check=True)
    if stack.checkpoint.exists() and stack.deployment().get("resources"):
        stack.destroy()
    subprocess.run(["umount", "--lazy", str(stack.state)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Leave so many bytes free."""
    filler = disk / "filler"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    filler.write_bytes(b"\0" * max(free - leave, 0))
    return filler


def users(emulator: Emulator) -> list[str]:
    client: Any = emulator.client("iam")
    found = [user["UserName"] for user in client.list_users()["Users"]]
    return sorted(name for name in found if name in ("first", *MORE, *LATER))


def test_nothing_begins_on_a_full_disk(stack: AwsStack, disk: Path) -> None:
    stack.program(with_users())
    stack.up()
    before = stack.checkpoint.read_bytes()
    stack.program(with_users(*MORE))
    for free in (0, KEPT_BACK // 2, KEPT_BACK):
        filler = fill(disk, free)
        for operation in (stack.up, stack.destroy):
            with pytest.raises(UserError) as caught:
                operation()
            assert caught.value.summary == "The disk is full", free
            assert str(disk) in caught.value.detail
            assert caught.value.command == f"df -h {disk}"
        assert stack.checkpoint.read_bytes() == before
        assert [file.name for file in disk.iterdir() if file.name.startswith(".room")] == []
        filler.unlink()
    assert users(stack.emulator) == ["first"]
    stack.up()
    assert users(stack.emulator) == ["first", *MORE]


class Filler:
    """As of the creation of that number not one more byte can be written by anybody who did not keep some."""

    def __init__(self, disk: Path, at: int) -> None:
        self.disk = disk
        self.at = at
        self.seen = count(1)

    def __call__(self, operation: str) -> None:
        if operation == "CreateUser":
            if next(self.seen) == self.at:
                fill(self.disk, 0)
            time.sleep(0.3)


def test_a_disk_that_gets_full_in_a_run(
    tmp_path: Path, emulator: Emulator, proxy: Proxy, disk: Path
) -> None:
    """At the first creation of a run, and at the last one of another."""
    stack = AwsStack(tmp_path, emulator, proxy.url)
    stack.program(with_users())
    stack.up()
    for names, at in ((MORE, 1), ([*LATER, *MORE], len(LATER))):
        proxy.after = Filler(disk, at)
        stack.program(with_users(*names))
        with pytest.raises(KitError) as caught:
            stack.up()
        proxy.after = lambda operation: None
        assert caught.value.summary == "The disk is full"
        assert caught.value.command == f"df -h {disk}"
        (disk / "filler").unlink()
        # Whatever was made is known, or is found: nothing twice, nothing left.
        stack.up()
        assert users(stack.emulator) == ["first", *names]
    assert stack.up().changed == 0
    stack.destroy()
    assert users(stack.emulator) == []


def test_a_disk_that_may_only_be_read(stack: AwsStack, disk: Path) -> None:
    stack.program(with_users())
    stack.up()
    before = stack.checkpoint.read_bytes()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    stack.program(with_users(*MORE))
    for operation in (stack.up, stack.destroy, lambda: stack.driver().refresh(stack.shown)):
        with pytest.raises(UserError) as caught:
            operation()
        assert caught.value.summary == f"The state cannot be written to {disk}"
        assert caught.value.detail == "Read-only file system"
    assert stack.checkpoint.read_bytes() == before
    assert users(stack.emulator) == ["first"]

"""A real file system that is full, or may only be read: clear errors, nothing lost, nothing made twice."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.base.errors import KitError, UserError
from cli.stack.room import KEPT_BACK
from tests.promises.aws_cloud import AwsStack, Emulator, Proxy, running_emulator

SIZE = KEPT_BACK + 8 * 1024**2
NAMES = [f"n{number}" for number in range(6)]
ONE = 'aws.iam.User("first", name="first")\n'
MORE = ONE + "".join(f'aws.iam.User("{name}", name="{name}", tags=T)\n' for name in NAMES)
HEAD = f'T = {{"text": "{"x" * 200}"}}\n'


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
    if stack.checkpoint.exists():
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
    return sorted(name for name in found if name in ("first", *NAMES))


@pytest.mark.parametrize("free", [0, 1, KEPT_BACK // 2, KEPT_BACK])
def test_nothing_begins_on_a_full_disk(stack: AwsStack, disk: Path, free: int) -> None:
    stack.program(HEAD + ONE)
    stack.up()
    filler, before = fill(disk, free), stack.checkpoint.read_bytes()
    stack.program(HEAD + MORE)
    for operation in (stack.up, stack.destroy):
        with pytest.raises(UserError) as caught:
            operation()
        assert caught.value.summary == "The disk is full"
        assert str(disk) in caught.value.detail
        assert caught.value.command == f"df -h {disk}"
    assert stack.checkpoint.read_bytes() == before
    assert users(stack.emulator) == ["first"]
    assert [file.name for file in disk.iterdir() if file.name.startswith(".room")] == []
    filler.unlink()
    stack.up()
    assert users(stack.emulator) == ["first", *NAMES]


@pytest.mark.parametrize("made", [0, 1, 3, 5])
def test_a_disk_that_gets_full_in_a_run(
    tmp_path: Path, emulator: Emulator, proxy: Proxy, disk: Path, made: int
) -> None:
    """As of the `made`-th creation not one more byte can be written by anybody who did not keep some."""
    stack = AwsStack(tmp_path, emulator, proxy.url)
    stack.program(HEAD + ONE)
    stack.up()
    seen = []

    def full(operation: str) -> None:
        if operation == "CreateUser":
            seen.append(operation)
            if len(seen) == made + 1:
                fill(disk, 0)
            time.sleep(0.3)

    proxy.after = full
    stack.program(HEAD + MORE)
    with pytest.raises(KitError) as caught:
        stack.up()
    proxy.after = lambda operation: None
    assert caught.value.summary == "The disk is full"
    assert caught.value.command == f"df -h {disk}"
    (disk / "filler").unlink()
    # Whatever was made is known, or is found: nothing twice, nothing left.
    stack.up()
    assert users(stack.emulator) == ["first", *NAMES]
    assert stack.up().changed == 0
    stack.destroy()
    assert users(stack.emulator) == []


def test_a_disk_that_may_only_be_read(stack: AwsStack, disk: Path) -> None:
    stack.program(HEAD + ONE)
    stack.up()
    before = stack.checkpoint.read_bytes()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    stack.program(HEAD + MORE)
    for operation in (stack.up, stack.destroy, lambda: stack.driver().refresh(stack.shown)):
        with pytest.raises(UserError) as caught:
            operation()
        assert caught.value.summary == f"The state cannot be written to {disk}"
        assert caught.value.detail == "Read-only file system"
    assert stack.checkpoint.read_bytes() == before
    assert users(stack.emulator) == ["first"]

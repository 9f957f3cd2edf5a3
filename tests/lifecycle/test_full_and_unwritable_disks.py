"""A real file system that is full, or may not be written to: clear errors, a whole state."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.engine import operations
from sandbox.errors import KitError

SIZE = 512 * 1024
PROGRAM = "\n".join(f'Thing("t{n}", text="{"x" * 300}")' for n in range(12))


@pytest.fixture
def disk(stack: Any) -> Iterator[Path]:
    """The state's folder as a small file system of its own."""
    stack.state_dir.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(stack.state_dir)]
    if os.geteuid() != 0 or subprocess.run(["mount", *options], check=False).returncode != 0:
        pytest.skip("only root may mount")
    yield stack.state_dir
    subprocess.run(["umount", "--lazy", str(stack.state_dir)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Leave so many bytes free."""
    filler = disk / "filler"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    filler.write_bytes(b"\0" * max(free - leave, 0))
    return filler


@pytest.mark.parametrize("kilobytes", [0, 4, 8, 12, 16, 20, 24, 32])
def test_a_disk_that_is_full_sooner_or_later(stack: Any, disk: Path, kilobytes: int) -> None:
    stack.up('Thing("first")')
    filler = fill(disk, kilobytes * 1024)
    stack.program(f'Thing("first")\n{PROGRAM}')
    with pytest.raises(KitError) as caught:
        operations.up(stack.request, stack.events.append, skip_preview=True)
    assert caught.value.exit_code == 1
    assert "cannot be written" in str(caught.value)
    assert "No space left on device" in str(caught.value)
    stack.verify()
    assert "first" in stack.names()
    # What was made is known, or will be found: nothing is leaked.
    filler.unlink()
    stack.up()
    assert len(stack.names()) == 13
    assert len(stack.cloud()) == 13
    stack.destroy()
    assert stack.cloud() == {}


def test_a_disk_that_may_only_be_read(stack: Any, disk: Path) -> None:
    stack.up('Thing("a")')
    before = stack.document()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    stack.program('Thing("a", size=2)\nThing("b")')
    for operation in (operations.up, operations.destroy, operations.refresh):
        with pytest.raises(KitError, match="Read-only file system") as caught:
            operation(stack.request)
        assert caught.value.summary.startswith("The state cannot be written to ")
    assert stack.preview().changes == {"same": 1, "update": 1, "create": 1}
    assert stack.document() == before
    assert stack.calls("create", "update", "delete") == ["create a"]

"""The processes that a test has started, directly or not."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path


def kill_descendants(word: str) -> int:
    """`kill -9` for those that have the word on their command line; how many."""
    found = [
        int(folder.name)
        for folder in Path("/proc").glob("[0-9]*")
        if word.encode() in _read(folder / "cmdline")
        and os.getpid() in _ancestors(int(folder.name))
    ]
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    return len(found)


def _ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        fields = _read(Path(f"/proc/{pid}/stat")).rpartition(b")")[2].split()
        pid = int(fields[1]) if fields else 0
        yield pid


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""

"""Runs a command that must succeed, and finds out what it costs.

Time and memory are taken in different runs: looking at the memory of a process tree costs
processor time of its own.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]

_LOOK_SECONDS = 0.05
_PROPORTIONAL_EVERY = 4
"""The proportional size takes the kernel a walk through all pages, so it is asked for less often."""

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_IDLE_FIELDS = (3, 4)
_MIB = 1024**2


@dataclass(frozen=True)
class Cost:
    """Seconds of one run, and how many processors were busy with something else."""

    wall: float
    cpu: float
    others: float


@dataclass(frozen=True)
class Memory:
    """MiB of a process tree at its peak. `resident` counts a page that two processes share
    twice, as the real engine's figures do; `proportional` counts it once."""

    resident: float
    proportional: float


def cost(argv: Sequence[str], environment: Mapping[str, str], folder: Path = ROOT) -> Cost:
    """Run it once, undisturbed."""
    with tempfile.TemporaryFile("w+") as said:
        busy, started = _busy(), time.monotonic()
        process = _start(argv, environment, said.fileno(), folder)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        _succeeded(argv, os.waitstatus_to_exitcode(status), said)
        cpu = usage.ru_utime + usage.ru_stime
        return Cost(wall, cpu, max(0.0, (_busy() - busy - cpu) / wall))


def memory(argv: Sequence[str], environment: Mapping[str, str]) -> Memory:
    """Run it once, and look at its processes all the while."""
    with tempfile.TemporaryFile("w+") as said:
        process = _start(argv, environment, said.fileno())
        resident = proportional = 0
        looks = 0
        while process.poll() is None:
            tree = _tree(process.pid)
            resident = max(resident, sum(map(_resident, tree)))
            if looks % _PROPORTIONAL_EVERY == 0:
                proportional = max(proportional, sum(map(_proportional, tree)))
            looks += 1
            time.sleep(_LOOK_SECONDS)
        _succeeded(argv, process.returncode, said)
        return Memory(resident / _MIB, proportional / _MIB)


def _start(
    argv: Sequence[str], environment: Mapping[str, str], said: int, folder: Path = ROOT
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        argv, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=said, stderr=said
    )


def _succeeded(argv: Sequence[str], code: int, said: IO[str]) -> None:
    if code != 0:
        said.seek(0)
        sys.exit(f"{' '.join(argv)} ended with {code}\n{said.read()[-4000:]}")


def _busy() -> float:
    """Seconds that the machine's processors have worked since its start."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    return sum(int(f) for n, f in enumerate(fields) if n not in _IDLE_FIELDS) / _TICKS


def _tree(root: int) -> list[int]:
    """The process and all that it has started."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _read(f"{entry}/stat").rpartition(")")[2].split()
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, ())
    return found


def _resident(pid: int) -> int:
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * _PAGE if fields else 0


def _proportional(pid: int) -> int:
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: str) -> str:
    """Empty if the process is gone."""
    try:
        return Path(path).read_text()
    except OSError:
        return ""

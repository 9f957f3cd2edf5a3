"""The sandbox's folder in every cgroup hierarchy: to measure it, and to find what is left.

Works with version 1, version 2 and both at once ("hybrid"). The sandbox's own programs sit in
a leaf, `FOLDER/programs`, because version 2 forbids processes in a folder whose children have
controllers, and the kubelet puts the pods into `FOLDER/kubepods`.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LEAF = "programs"


@dataclass(frozen=True)
class Hierarchy:
    """One mounted cgroup file system."""

    path: Path
    controllers: frozenset[str]
    unified: bool


def hierarchies(mountinfo: Path = Path("/proc/self/mountinfo")) -> list[Hierarchy]:
    """All that this machine has mounted."""
    found: dict[Path, Hierarchy] = {}
    for line in mountinfo.read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        path = Path(before.split()[4])
        if kind == "cgroup":
            found[path] = Hierarchy(path, frozenset(options.split(",")), unified=False)
        elif kind == "cgroup2":
            controllers = path / "cgroup.controllers"
            names = controllers.read_text().split() if controllers.exists() else []
            found[path] = Hierarchy(path, frozenset(names), unified=True)
    return list(found.values())


def join(folder: str, machine: list[Hierarchy]) -> None:
    """Make `folder` in every hierarchy and move the caller into its leaf."""
    for hierarchy in machine:
        top = hierarchy.path / folder
        leaf = top / LEAF
        leaf.mkdir(parents=True, exist_ok=True)
        if hierarchy.unified:
            _delegate(hierarchy, top)
        elif "cpuset" in hierarchy.controllers:
            _inherit_cpuset(hierarchy.path, top)
            _inherit_cpuset(top, leaf)
        (leaf / "cgroup.procs").write_text(str(os.getpid()))


def _delegate(hierarchy: Hierarchy, top: Path) -> None:
    wanted = " ".join(f"+{name}" for name in sorted(hierarchy.controllers))
    if wanted:
        (hierarchy.path / "cgroup.subtree_control").write_text(wanted)
        (top / "cgroup.subtree_control").write_text(wanted)


def _inherit_cpuset(parent: Path, child: Path) -> None:
    # A version 1 cpuset starts empty, and takes no process until it is filled.
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not (child / name).read_text().strip():
            (child / name).write_text((parent / name).read_text())


def pids(folder: str, machine: list[Hierarchy]) -> set[int]:
    """Every process in `folder` or below, in any hierarchy, by the caller's numbers."""
    found: set[int] = set()
    for group in _groups(folder, machine):
        try:
            found.update(int(pid) for pid in (group / "cgroup.procs").read_text().split())
        except OSError:
            continue
    return found - {0}


def memory_bytes(folder: str, machine: list[Hierarchy]) -> int:
    """The memory of the sandbox, without the file cache that the kernel could take back."""
    for hierarchy in machine:
        if "memory" not in hierarchy.controllers:
            continue
        top = hierarchy.path / folder
        usage = "memory.current" if hierarchy.unified else "memory.usage_in_bytes"
        inactive = "inactive_file" if hierarchy.unified else "total_inactive_file"
        try:
            held = int((top / usage).read_text())
            stat = dict(line.split() for line in (top / "memory.stat").read_text().splitlines())
        except OSError:
            return 0
        return max(0, held - int(stat.get(inactive, 0)))
    return 0


def remaining(folder: str, machine: list[Hierarchy]) -> list[Path]:
    """The top folders that exist."""
    tops = [hierarchy.path / folder for hierarchy in machine]
    return [top for top in tops if top.exists()]


def remove(folder: str, machine: list[Hierarchy], seconds: float = 5.0) -> list[Path]:
    """Remove `folder` everywhere; returns those that stay, because a process is in them."""
    deadline = time.monotonic() + seconds
    while True:
        # The deepest first. A folder stays busy for a moment after its last process ended.
        for group in sorted(_groups(folder, machine), key=lambda g: len(g.parts), reverse=True):
            try:
                group.rmdir()
            except OSError:
                continue
        left = remaining(folder, machine)
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def _groups(folder: str, machine: list[Hierarchy]) -> Iterator[Path]:
    for top in remaining(folder, machine):
        for path, _, _ in os.walk(top):
            yield Path(path)

"""A search for what a sandbox left on the host, by the marks that everything of it carries."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.cluster import cgroups, network
from sandbox.instance import Instance


@dataclass(frozen=True)
class Leftover:
    """One thing that should be gone."""

    kind: str
    """process, mount, interface, cgroup or folder."""

    what: str


def find(instance: Instance) -> list[Leftover]:
    """Everything that is still there, in the order in which it would have to go."""
    machine = cgroups.hierarchies()
    interfaces = [instance.interface] if network.belongs_to(instance) else []
    folders = [path for path in (instance.root,) if path.exists()]
    return [
        *(Leftover("process", text) for text in _processes(instance, machine)),
        *(Leftover("mount", path) for path in mounts_below(instance.root)),
        *(Leftover("interface", name) for name in interfaces),
        *(Leftover("cgroup", str(path)) for path in cgroups.remaining(instance.cgroup, machine)),
        *(Leftover("folder", str(path)) for path in folders),
    ]


def mounts_below(root: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> list[str]:
    """Mount points in the host's namespace at or below `root`."""
    points = [line.split()[4] for line in mountinfo.read_text().splitlines()]
    return [point for point in points if point == str(root) or point.startswith(f"{root}/")]


def _processes(instance: Instance, machine: list[cgroups.Hierarchy]) -> Iterator[str]:
    for pid in sorted(cgroups.pids(instance.cgroup, machine)):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
        except OSError:
            continue
        yield f"{pid} {command}"

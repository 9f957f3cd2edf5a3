"""The preconditions of a start, checked before anything is changed. Each check raises a UserError that says what to do."""

import ipaddress
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from sandbox import tools
from sandbox.errors import UserError
from sandbox.instance import Instance
from sandbox.layout import Layout

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
_NEEDED_DISK = 10 * 1000**3
SLOTS = range(64)

_DEBIAN_PROGRAMS = {"ip": "iproute2", "nft": "nftables"}
"""Program -> Debian package."""

_BUILT_PROGRAMS = (
    *tools.KUBERNETES_PROGRAMS,
    "coredns",
    "pause",
    "etcd",
    "containerd",
    "containerd-shim-runc-v2",
    "runc",
    "docker-registry",
)


def check_name(name: str) -> None:
    """It becomes part of file, host and cgroup names."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{name!r} is not a name for a sandbox",
            "It takes up to 32 lower-case letters, digits and hyphens, begins with a letter and "
            "does not end with a hyphen.",
        )


def check_root() -> None:
    if os.geteuid() != 0:
        raise UserError(
            "The sandbox needs root",
            "It makes namespaces, network interfaces and mounts of its own. Run the same command "
            "as root, for example with sudo.",
        )


def check_disk(folder: Path, needed: int = _NEEDED_DISK) -> None:
    """Images, their unpacked copies and volumes take some gigabytes."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise UserError(
            f"Only {free / 1000**3:.1f} GB free at {existing}",
            f"The sandbox needs {needed / 1000**3:.0f} GB. Free some, or set AERODROME_STATE to "
            "a folder on a larger disk.",
        )


def check_file_system(folder: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> None:
    """Containers' file systems are overlays, and the kernel stacks no overlay on another."""
    kinds = {}
    for line in mountinfo.read_text().splitlines():
        before, _, after = line.partition(" - ")
        kinds[Path(before.split()[4])] = after.split()[0]
    place = next(path for path in (folder, *folder.parents) if path in kinds)
    if kinds[place] == "overlay":
        raise UserError(
            f"{folder} is on an overlay file system",
            "Containers cannot be stored there. Set AERODROME_STATE to a folder on a real disk; "
            "inside a container, on a volume.",
        )


def check_programs() -> None:
    missing = [name for name in _DEBIAN_PROGRAMS if shutil.which(name) is None]
    if missing:
        packages = " ".join(_DEBIAN_PROGRAMS[name] for name in missing)
        raise UserError(
            f"Missing on this machine: {', '.join(missing)}",
            "The sandbox uses Debian's. Install them:",
            f"apt-get install -y {packages}",
        )
    for name in _BUILT_PROGRAMS:
        tools.tool(name)
    tools.cni_plugins()


def check_cgroups(controllers: Iterable[str]) -> None:
    """The kubelet cannot run a pod without these."""
    missing = sorted({"cpu", "memory", "pids"} - set(controllers))
    if missing:
        raise UserError(
            f"This machine offers no cgroup controller {', '.join(missing)}",
            "Kubernetes needs it. In a container, start that with its own cgroups; on a machine, "
            "mount them below /sys/fs/cgroup.",
        )


def check_interface(instance: Instance, interfaces: set[str]) -> None:
    """Nothing of ours runs, so an interface of that name is another's."""
    if instance.interface in interfaces:
        raise UserError(
            f"Interface {instance.interface} is in use by something else",
            f"Another sandbox may have taken the place of {instance.name!r} while it was not "
            "running. Remove this one, then start it again:",
            f"./aerodrome sandbox down --name {instance.name}",
        )


def free_slot(taken: set[int], interfaces: set[str], networks: Iterable[str]) -> int:
    """The lowest slot whose interface and addresses nobody on this machine has."""
    used = [ipaddress.ip_network(network, strict=False) for network in networks]
    for slot in SLOTS:
        candidate = Instance("candidate", slot, Path("/"))
        own = ipaddress.ip_network(f"{candidate.host_address}/24", strict=False)
        overlaps = any(own.version == other.version and own.overlaps(other) for other in used)
        if slot not in taken and candidate.interface not in interfaces and not overlaps:
            return slot
    raise UserError(
        f"All {len(SLOTS)} networks for sandboxes, 10.213.0.0/24 and up, are in use",
        "Remove a sandbox that is no longer needed; `ip route` shows what else uses them.",
    )


def all_before_start(layout: Layout) -> None:
    """Those that need no address yet."""
    check_root()
    check_programs()
    check_disk(layout.instance.root)
    check_file_system(layout.instance.root)

"""The sandbox's file system: the host's, with private folders mounted over it.

Nothing that is mounted here reaches the host, and all of it goes with the namespace.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from sandbox import files
from sandbox.cluster import kernel
from sandbox.instance import DNS_ADDRESS
from sandbox.layout import PRIVATE_FOLDERS, Layout

_SETTINGS_OF_THE_MACHINE = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""Kernel settings that no namespace separates, as the kubelet wants them."""


def isolate(layout: Layout, keep: Iterable[Path]) -> None:
    """Called once by the first process. `keep` are host folders that must stay visible."""
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_SLAVE)
    # The kubelet needs shared mounts: containers see volumes that are mounted after their start.
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_SHARED)
    quiet = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("proc", "/proc", "proc", quiet | kernel.MS_NOEXEC)
    for name in _SETTINGS_OF_THE_MACHINE:
        # The kubelet would change the host's. It is shown a file that already has what it wants.
        _cover_file(f"/proc/sys/{name}", layout.config / "sysctl" / name)
    _cover_private_folders([layout.instance.root, *keep])
    for target, source in layout.laid_over.items():
        source.mkdir(parents=True, exist_ok=True)
        Path(target).mkdir(parents=True, exist_ok=True)
        kernel.mount(source, target, flags=kernel.MS_BIND)
    _cover_file("/etc/resolv.conf", layout.config / "resolv.conf")
    _cover_file("/etc/hosts", layout.config / "hosts")


def write_files(layout: Layout) -> None:
    """All that `isolate` lays over single files, written before the sandbox starts."""
    for name, value in _SETTINGS_OF_THE_MACHINE.items():
        files.write(layout.config / "sysctl" / name, f"{value}\n")
    files.write(layout.config / "resolv.conf", f"nameserver {DNS_ADDRESS}\n")
    node = layout.instance.node_address
    hosts = f"127.0.0.1 localhost\n{node} {layout.node_name}\n"
    files.write(layout.config / "hosts", hosts)


def outermost(paths: Iterable[Path]) -> list[Path]:
    """Those that are there, resolved, without those inside another one."""
    wanted = {path.resolve() for path in paths if path.exists()}
    return sorted(path for path in wanted if not wanted.intersection(path.parents))


def _cover_private_folders(keep: Iterable[Path]) -> None:
    covers = [Path(name) for name in PRIVATE_FOLDERS if Path(name).is_dir()]
    kept = [path for path in outermost(keep) if _below(path, covers)]
    # Opened now, a folder can still be reached when its way is covered.
    handles = {path: os.open(path, os.O_PATH) for path in kept}
    for cover in covers:
        quiet = kernel.MS_NOSUID | kernel.MS_NODEV
        kernel.mount("tmpfs", cover, "tmpfs", quiet)
        cover.chmod(0o1777 if cover.name in ("tmp", "shm") else 0o755)
    for path, handle in handles.items():
        path.mkdir(parents=True, exist_ok=True)
        kernel.mount(f"/proc/self/fd/{handle}", path, flags=kernel.MS_BIND | kernel.MS_REC)
        os.close(handle)


def _below(path: Path, covers: list[Path]) -> bool:
    return any(cover.resolve() in path.parents for cover in covers)


def _cover_file(target: str, source: Path) -> None:
    # It may be a link into a folder that was just covered, and then lead nowhere.
    place = Path(target).resolve()
    if not place.exists():
        if not _below(place, [Path(name) for name in PRIVATE_FOLDERS]):
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    kernel.mount(source, place, flags=kernel.MS_BIND)

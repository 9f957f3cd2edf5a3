"""The diagnosis of this machine for `up`, which changes nothing: `aerodrome doctor`."""

import os
import shutil
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox import pulumi
from sandbox.instance import cache_dir, state_dir

NEEDED_BYTES = 10 * 1024**3


@dataclass(frozen=True)
class Check:
    """One thing that must be right, and what to do if it is not."""

    name: str
    ok: bool
    found: str
    fix: str = ""

    def data(self) -> dict[str, str | bool]:
        return asdict(self)


def checks(ui_port: int, *, sandbox_up: bool) -> list[Check]:
    """Every check, in the order in which `up` would stumble."""
    return [
        _root(os.geteuid()),
        *(_disk(name, folder) for name, folder in (("cache", cache_dir()), ("state", state_dir()))),
        _memory(Path("/proc/meminfo")),
        *(_program(name, package) for name, package in PROGRAMS.items()),
        _port(ui_port, sandbox_up=sandbox_up),
        _pulumi(pulumi.find(), pulumi.look()),
        *_set_up(),
    ]


PROGRAMS = {"nft": "nftables", "ip": "iproute2", "buildah": "buildah"}
"""Programs that are called by name, and the Debian packages that have them."""


def _root(uid: int) -> Check:
    found = "yes" if uid == 0 else f"no, user {uid}"
    return Check("root", uid == 0, found, "run the command as root, for example with sudo")


def _disk(name: str, folder: Path) -> Check:
    # The folder may not be there yet; its disk is that of the nearest one that is.
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    return Check(
        f"disk ({name})",
        free >= NEEDED_BYTES,
        f"{free / 1024**3:.1f} GB free under {folder}",
        f"free some: 10 GB are needed (df -h {there})",
    )


def _memory(meminfo: Path) -> Check:
    values = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    gigabytes = int(values["MemAvailable"].split()[0]) / 1024**2
    return Check(
        "memory",
        gigabytes >= 4,
        f"{gigabytes:.1f} GiB available",
        "end other programs: 4 GiB are needed",
    )


def _program(name: str, package: str) -> Check:
    # /usr/sbin is not on every PATH, and root's tools live there.
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    return Check(name, found is not None, found or "not found", f"apt-get install {package}")


def _port(port: int, *, sandbox_up: bool) -> Check:
    name = f"port {port}"
    if sandbox_up:
        return Check(name, True, "the sandbox's own")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            fix = f"end what uses it (ss -ltnp sport = :{port}), or set AERODROME_UI_PORT"
            return Check(name, False, "in use", fix)
    return Check(name, True, "free")


def _pulumi(used: pulumi.Pulumi, seen: pulumi.Pulumi | pulumi.Unfit | None) -> Check:
    """Which Pulumi CLI deploys, and why it is not the machine's own."""
    origin = "built by set-up" if used.built else "the machine's own"
    found = f"{used.version}, {origin}, in {used.folder}"
    if not used.there:
        found = "not there yet: set-up builds it"
    if isinstance(seen, pulumi.Unfit):
        found += f"; {seen.executable} is not used: {seen.reason}"
    return Check("pulumi", used.there, found, "make setup")


def _set_up() -> list[Check]:
    """The checks of what set-up makes, by its own list."""
    from sandbox.setup.__main__ import tasks

    return [
        Check(task.title, done, "there" if done else "missing", "make setup")
        for task in tasks()
        if task.name not in ("lists", "uv", "go", "pulumi")
        for done in (task.done(),)
    ]

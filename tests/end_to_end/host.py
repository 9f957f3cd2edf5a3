"""What of a sandbox can be seen on the host: looked at before and after."""

import os
import subprocess
from dataclasses import dataclass, fields
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Host:
    """Everything on this machine that carries a sandbox's marks, and what must never change."""

    processes: frozenset[str]
    mounts: frozenset[str]
    interfaces: frozenset[str]
    firewall: str
    cgroups: frozenset[str]
    temporary: frozenset[str]
    sysctls: str

    def differences(self, before: "Host") -> dict[str, object]:
        """What is there now and was not before, or changed."""
        found: dict[str, object] = {}
        for field in fields(self):
            now, then = getattr(self, field.name), getattr(before, field.name)
            if isinstance(now, frozenset) and now - then:
                found[field.name] = sorted(now - then)
            elif isinstance(now, str) and now != then:
                found[field.name] = (then, now)
        return found


def look(name: str, folder: Path, interface: str = "") -> Host:
    """The host as it is. Others may work on it too: only what bears our marks counts."""
    marks = (f"aerodrome-{name}", str(folder))
    return Host(
        processes=frozenset(_processes(marks)),
        mounts=frozenset(_lines(Path("/proc/self/mountinfo").read_text(), marks)),
        interfaces=frozenset(path.name for path in Path("/sys/class/net").glob(interface or "-")),
        firewall=_output("nft", "--stateless", "list", "ruleset"),
        cgroups=frozenset(
            str(path) for path in CGROUPS.glob("**/*") if path.is_dir() and name in path.name
        ),
        temporary=frozenset(_temporary(marks)),
        sysctls=_sysctls(),
    )


def _lines(text: str, marks: tuple[str, ...]) -> list[str]:
    return [line for line in text.splitlines() if any(mark in line for mark in marks)]


def _processes(marks: tuple[str, ...]) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) in (os.getpid(), os.getppid()):
            continue
        try:
            seen = (process / "cmdline").read_bytes() + (process / "cgroup").read_bytes()
        except OSError:
            continue
        if any(mark.encode() in seen for mark in marks):
            found.append(f"{process.name} {seen[:200]!r}")
    return found


def _temporary(marks: tuple[str, ...]) -> list[str]:
    """Files of ours where TMPDIR should have kept them from, and in it."""
    own = Path(marks[1]) / "tmp"
    kept_out = [
        path
        for folder in (Path("/tmp"), Path("/var/tmp"))
        for path in folder.iterdir()
        if path.name.startswith(("aerodrome", "buildah", "helm-", "pulumi-"))
    ]
    return [str(path) for path in (*own.rglob("*"), *kept_out)]


def _sysctls() -> str:
    keys = ("net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding", "vm/overcommit_memory")
    return " ".join(f"{key}={(Path('/proc/sys') / key).read_text().strip()}" for key in keys)


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout

"""The few system calls that Python 3.11 does not offer. No policy here."""

import ctypes
import os
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_SLAVE = 0x80000
MS_SHARED = 0x100000

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave the caller's namespaces; CLONE_NEWPID holds only for children."""
    _checked(_libc.unshare(flags), f"unshare {flags:#x}")


def mount(source: str | Path, target: str | Path, kind: str = "", flags: int = 0) -> None:
    """mount(2), with no file-system options: none of our mounts needs any."""
    status = _libc.mount(
        os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), None
    )
    _checked(status, f"mount {source} on {target}")


def _checked(status: int, what: str) -> None:
    if status != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")

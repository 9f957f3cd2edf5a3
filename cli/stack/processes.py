"""Whether a process of this machine, known by its number, has ended."""

from pathlib import Path

_PROC = Path("/proc")


def has_ended(pid: int | str) -> bool:
    """False also where the system does not say: what is another's is left alone."""
    return (_PROC / "self").exists() and not (_PROC / str(pid)).exists()

"""The listeners on ports of this machine. Reads /proc; changes nothing."""

import socket
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import UserError

_LISTEN = "0A"


@dataclass(frozen=True)
class Owner:
    """A process that holds a listening socket."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.command})"


def listen_on_loopback(port: int) -> socket.socket:
    """A listening socket, or a UserError that names the port and who has it."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # A connection that was closed a moment ago must not keep the next `up` from starting.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        holder = owner(port)
        whom = str(holder) if holder else "a process that this user may not see"
        raise UserError(
            f"Port {port} is in use",
            f"The Airflow UI is to be reached at 127.0.0.1:{port}, but {whom} listens there. "
            "End it, or choose another port.",
            f"./aerodrome sandbox up --ui-port {port + 1}",
        ) from error
    return listening


def owner(port: int, proc: Path = Path("/proc")) -> Owner | None:
    """The process that listens on `port` in the caller's network namespace, if it can be seen."""
    inodes = set[str]()
    for table in ("tcp", "tcp6"):
        inodes |= _listening_inodes(proc / "net" / table, port)
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in proc.iterdir():
        if wanted and process.name.isdecimal() and _holds(process, wanted):
            command = (process / "cmdline").read_text().replace("\0", " ").strip()
            return Owner(int(process.name), command[:100] or (process / "comm").read_text().strip())
    return None


def _listening_inodes(table: Path, port: int) -> set[str]:
    if not table.exists():
        return set()
    found = set()
    for line in table.read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
            found.add(fields[9])
    return found


def _holds(process: Path, wanted: set[str]) -> bool:
    try:
        return any(str(handle.readlink()) in wanted for handle in (process / "fd").iterdir())
    except OSError:
        # It ended while we looked, or is another user's.
        return False

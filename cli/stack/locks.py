"""Locks that a Pulumi CLI leaves behind when it is killed: recognised, reported and removed, never ignored.

A lock says whose it is: user, host and process. One of a living process, or of another machine, is
not ours to judge: Pulumi's own words then say whose it is.
"""

import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cli.stack import run_folder
from cli.stack.command import PATIENCE_SECONDS

GIVING_UP_SECONDS = 30.0
"""How long a CLI may take to end that has been interrupted twice."""

_LOCK = re.compile(r"created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\)")


@dataclass(frozen=True)
class LockOwner:
    """Who made a lock."""

    user: str
    host: str
    pid: int
    since: float = 0.0
    """When, in seconds since 1970; 0 if the lock does not say."""

    @property
    def is_gone(self) -> bool:
        """Whether it was a process of this machine that has ended."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        # The number may have gone to another process since.
        return bool(self.since) and _began(self.pid) > self.since + 1

    @property
    def is_orphan(self) -> bool:
        """Whether it lives, started by a command line that was killed: it has been interrupted, and ends soon."""
        if self.host != socket.gethostname() or self.is_gone:
            return False
        try:
            words = Path(f"/proc/{self.pid}/cmdline").read_text()
        except OSError:
            return False
        return run_folder.is_of_the_dead(words)

    def __str__(self) -> str:
        return f"process {self.pid} of {self.user}"


def _began(pid: int) -> float:
    """When a process began; 0 where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = next(
            line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime")
        )
        return int(boot.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, StopIteration, ValueError):
        return 0.0


def named(text: str) -> list[LockOwner]:
    """Whose locks the CLI complains of."""
    return [
        LockOwner(lock["user"], lock["host"], int(lock["pid"])) for lock in _LOCK.finditer(text)
    ]


def of_the_dead(text: str) -> list[LockOwner]:
    """The same: empty unless all were made on this machine by who is gone."""
    holders = named(text)
    return holders if holders and all(holder.is_gone for holder in holders) else []


def await_orphans(holders: Iterable[LockOwner], note: Callable[[str], None]) -> bool:
    """Waits for those that are about to end. Whether all of the holders have ended, or are gone."""
    waiting = list(holders)
    for holder in waiting:
        if holder.is_orphan:
            note(
                f"Pulumi's {holder} still finishes the steps of an interrupted run: waiting for it"
            )
            if not _ends(holder, PATIENCE_SECONDS):
                # A second interruption: it gives up what it is doing.
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(holder.pid, signal.SIGINT)
                _ends(holder, GIVING_UP_SECONDS)
    return all(holder.is_gone for holder in waiting)


def _ends(holder: LockOwner, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not holder.is_gone:
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def in_folder(state: Path, stack: str) -> dict[Path, LockOwner]:
    """The locks of a stack in Pulumi's file backend, with whose they are."""
    folder = state / ".pulumi" / "locks" / "organization" / "aerodrome" / stack
    found = {}
    for file in sorted(folder.glob("*.json")):
        try:
            content = json.loads(file.read_text())
            found[file] = LockOwner(
                str(content["username"]),
                str(content["hostname"]),
                int(content["pid"]),
                _instant(content.get("timestamp")),
            )
        except (OSError, ValueError, KeyError, TypeError):
            # Half written or gone: the CLI has its own words for it.
            continue
    return found


def remove_of_the_dead(state: Path, stack: str) -> list[LockOwner]:
    """Removes the locks of processes that are gone; whose they were."""
    gone = []
    for file, holder in in_folder(state, stack).items():
        if holder.is_gone:
            file.unlink(missing_ok=True)
            gone.append(holder)
    return gone


def _instant(text: Any) -> float:
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0

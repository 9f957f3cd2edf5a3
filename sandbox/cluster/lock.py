"""The locks: one command at a time works on a sandbox, and one on the machine takes a network."""

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from sandbox.errors import KitError, UserError

_NETWORKS = "\0aerodrome-networks"
_NETWORKS_SECONDS = 60.0
_PAUSE_SECONDS = 0.1


@contextlib.contextmanager
def held(path: Path, command: str, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock, or after `patience` seconds a UserError that says who does. The kernel frees it if
    we are killed.

    The file goes with the lock, so that a refused command leaves nothing.
    """
    descriptor = _lock(path, time.monotonic() + patience)
    try:
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        holder = {"pid": os.getpid(), "command": command, "since": now}
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _lock(path: Path, deadline: float) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            if time.monotonic() < deadline:
                time.sleep(_PAUSE_SECONDS)
                continue
            raise UserError("Another command is at work on this sandbox", _holder(path)) from error
        # Who had the lock removed the file with it: ours may be one without a name.
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError):
        return f"It holds {path}."
    # Another version of the kit may have written it.
    command = holder.get("command", "another command")
    return (
        f"Process {holder['pid']} ({command}) holds {path} since {holder['since']}. "
        "Wait for its end, or end it: the lock goes with it."
    )


@contextlib.contextmanager
def choosing_a_network() -> Iterator[None]:
    """Held from the choice of a slot until its interface is there for all to see.

    A socket in the abstract namespace: it is the same for every state folder, and leaves
    nothing behind.
    """
    deadline = time.monotonic() + _NETWORKS_SECONDS
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as claim:
        while True:
            try:
                claim.bind(_NETWORKS)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise KitError(
                        "Another sandbox is being started and does not come to an end"
                    ) from error
                time.sleep(0.1)
        yield

"""One engine a stack at a time: a file that names its holder, locked by the kernel.

The kernel's lock ends with the process, so a killed engine leaves none behind. The file lies
where Pulumi's own CLI looks for locks and has its form: either engine sees the other.
"""

import fcntl
import getpass
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sandbox.engine.state.journal import unwritable
from sandbox.engine.state.store import StackStore, now
from sandbox.errors import UserError

_NAME = "aerodrome.json"


@contextmanager
def hold(store: StackStore) -> Iterator[None]:
    """Keep every other engine away from the stack; refused if one is at work."""
    path = store.lock_dir / _NAME
    handle = _acquire(path, store)
    try:
        yield
    finally:
        # Removed while still locked: whoever opened it meanwhile finds out in _acquire.
        with suppress(OSError):
            path.unlink()
        os.close(handle)


def _acquire(path: Path, store: StackStore) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _holder(path)
                os.close(handle)
                raise _refusal(store, holder, path) from None
            if _is_current(handle, path):
                break
            os.close(handle)
        _sign(handle, path)
    except OSError as error:
        raise unwritable(path, error) from error
    for other in path.parent.glob("*.json"):
        if other != path:
            holder = _holder(other)
            path.unlink()
            os.close(handle)
            raise _refusal(store, holder, other)
    return handle


def _sign(handle: int, path: Path) -> None:
    """Say who we are; let go if the disk has no room for it."""
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(_myself()).encode(), 0)
    except OSError:
        path.unlink()
        os.close(handle)
        raise


def _is_current(handle: int, path: Path) -> bool:
    try:
        return os.fstat(handle).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def _myself() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "username": getpass.getuser(),
        "hostname": socket.gethostname(),
        "timestamp": now(),
        "command": Path(sys.argv[0]).name + (f" {sys.argv[1]}" if len(sys.argv) > 1 else ""),
    }


def _holder(path: Path) -> dict[str, Any]:
    # The holder may be about to write it.
    for _ in range(10):
        with suppress(OSError, ValueError):
            holder: dict[str, Any] = json.loads(path.read_text())
            return holder
        time.sleep(0.02)
    return {}


def _refusal(store: StackStore, holder: dict[str, Any], path: Path) -> UserError:
    pid = holder.get("pid", "?")
    here = holder.get("hostname") == socket.gethostname()
    how = (
        f"Wait until it is done, or end it: it finishes what it has begun and saves.\n"
        f"If no such process exists, remove the file {path}."
        if path.name != _NAME
        else "Wait until it is done, or end it: it finishes what it has begun and saves."
    )
    return UserError(
        f"The stack {store.project}/{store.stack} is locked",
        f"Process {pid} of {holder.get('username', '?')} on {holder.get('hostname', '?')} has "
        f"been at work on it since {holder.get('timestamp', '?')}"
        f" ({holder.get('command', 'pulumi')}).\n{how}",
        f"kill -INT {pid}" if here else "",
    )

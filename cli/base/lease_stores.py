"""The places in which leases are stored. Here: in a file beside the stacks of this machine. In S3: `cli.cloud.lease_bucket`.

Both write only if nothing has changed since it was read, so of two that want a lease one gets it.
"""

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cli.base.paths import state_dir

FOLDER = "leases"


@dataclass(frozen=True)
class Entry:
    """A stored lease."""

    text: str
    version: str
    age: float
    """Seconds since its last heartbeat, by the clock of its store."""

    place: str


class Store(Protocol):
    """The place of one environment's lease, among those of others."""

    def read(self) -> Entry | None: ...

    def write(self, text: str, version: str | None) -> bool:
        """False if what lies there is not `version` (None: nothing) any more."""

    def remove(self, version: str) -> None:
        """Nothing happens if it is not that version any more."""

    def all(self) -> dict[str, Entry]:
        """All that lie there, by environment."""


class FileStore:
    """On this machine, for all its users of one state folder."""

    def __init__(self, environment: str) -> None:
        self._folder = state_dir() / FOLDER
        self._file = self._folder / f"{environment}.json"

    def read(self) -> Entry | None:
        try:
            data = self._file.read_bytes()
            age = time.time() - self._file.stat().st_mtime
        except FileNotFoundError:
            return None
        return Entry(data.decode("utf-8", "replace"), _digest(data), max(age, 0.0), str(self._file))

    def all(self) -> dict[str, Entry]:
        names = sorted(file.stem for file in self._folder.glob("[!.]*.json"))
        found = {name: FileStore(name).read() for name in names}
        return {name: entry for name, entry in found.items() if entry is not None}

    def write(self, text: str, version: str | None) -> bool:
        with self._alone():
            found = self.read()
            if (found.version if found else None) != version:
                return False
            handle, name = tempfile.mkstemp(dir=self._folder, prefix=".")
            with os.fdopen(handle, "w") as stream:
                stream.write(text)
            Path(name).replace(self._file)
            return True

    def remove(self, version: str) -> None:
        with self._alone():
            found = self.read()
            if found is not None and found.version == version:
                self._file.unlink()
            # The last one takes the folders along, while nobody else can look for them.
            with suppress(OSError):
                self._folder.rmdir()
                self._folder.parent.rmdir()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Holds the folder above: for the moments between reading and writing only."""
        above = self._folder.parent
        while True:
            above.mkdir(parents=True, exist_ok=True)
            handle = os.open(above, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if above.exists() and os.fstat(handle).st_ino == above.stat().st_ino:
                break
            os.close(handle)
        try:
            self._folder.mkdir(exist_ok=True)
            yield
        finally:
            os.close(handle)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

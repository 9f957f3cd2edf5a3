"""The journal: one line of JSON a step, appended beside the checkpoint.

Writing a step costs the same however large the stack is. A line is written before its
provider is called (the intent) and after it answered; whoever kills the engine in between
leaves an intent without an outcome, which the next run repairs. The first line names the
checkpoint that the journal continues, so that one which was folded already is recognised.
"""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.errors import KitError, UserError

Record = dict[str, Any]

BASE = "base"
"""Key of the first line: the digest of the checkpoint that the journal continues."""


class Journal:
    """An open journal. `append` hands a line to the kernel at once, so that a killed engine
    loses nothing; `sync` waits until all lines so far are on the disk, together with
    whoever else waits."""

    def __init__(self, path: Path, base: str) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            self._file = os.open(path, flags, 0o600)
        except OSError as error:
            raise unwritable(path, error) from error
        self._written = 0
        self._synced = 0
        self._syncing: asyncio.Task[None] | None = None
        self.append({BASE: base})

    def append(self, record: Record) -> None:
        line = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
        try:
            while line:
                line = line[os.write(self._file, line) :]
        except OSError as error:
            raise unwritable(self.path, error) from error
        self._written += 1

    async def sync(self) -> None:
        """Wait until everything appended so far is on the disk."""
        wanted = self._written
        while self._synced < wanted:
            if self._syncing is None:
                self._syncing = asyncio.create_task(self._sync())
            await asyncio.shield(self._syncing)

    async def _sync(self) -> None:
        covered = self._written
        try:
            await asyncio.to_thread(os.fsync, self._file)
            self._synced = covered
        except OSError as error:
            raise unwritable(self.path, error) from error
        finally:
            self._syncing = None

    def close(self) -> None:
        os.close(self._file)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def read(path: Path, base: str) -> Iterator[Record]:
    """The records of a journal that continues the checkpoint with digest `base`.

    A last line without its end is one that a kill cut short: what it would have recorded is
    covered by the intent before it.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"The journal {path} cannot be read", str(error.strerror)) from error
    for number, line in enumerate(lines[:-1]):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise UserError(
                f"The journal {path} is damaged",
                f"Line {number + 1} is no JSON. Restore the file from a backup, or remove it: "
                "what it recorded since the checkpoint is then unknown to the engine.",
            ) from error
        if number == 0:
            if record.get(BASE) != base:
                return
            continue
        yield record


def unwritable(path: Path, error: OSError) -> KitError:
    """The disk is full or the folder may not be written to: all is as it was before."""
    return KitError(f"The state cannot be written to {path}", error.strerror or str(error))

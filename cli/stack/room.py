"""Room on the disk for the state of a run: some is kept back, so that a full disk never cuts the state short.

Pulumi's file backend puts a state in place that it could not write whole (3.276, as its `.bak`), and
tries for half a minute before it says so. So a run does not begin without room. If the disk gets
full meanwhile, what was kept back is set free, and Pulumi stops while it can still save.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cli.base.errors import KitError, UserError
from cli.stack.processes import has_ended

KEPT_BACK = 16 * 1024**2
"""Bytes: some twenty times the state of a base with its `.bak` and a copy in Pulumi's history."""

LOW = 2 * 1024**2
"""With fewer bytes free than this the disk is full."""

DISK_FULL = "The disk is full"

SHOW_SPACE = "df -h"
"""The command that shows what is free, here and where Pulumi itself finds no room (`failures`)."""


@dataclass
class Room:
    """What is kept back in one folder."""

    folder: Path
    _file: Path
    used_up: bool = False

    def is_used_up(self) -> bool:
        """Whether the disk has got full; what was kept back is free then."""
        if not self.used_up and _free(self.folder) < LOW:
            self._file.unlink(missing_ok=True)
            self.used_up = True
        return self.used_up

    def interrupted(self, verb: str) -> KitError:
        """The error of a run of Pulumi that was interrupted because the disk got full meanwhile."""
        return KitError(
            DISK_FULL,
            f"{self.folder} had no room left, and `pulumi {verb}` was interrupted.\n"
            "What it has done is saved. Make room; the same command continues from there.",
            f"{SHOW_SPACE} {self.folder}",
        )


@contextmanager
def kept(folder: Path) -> Iterator[Room]:
    """Keeps room in a folder while the block lasts. UserError if there is too little, or none may be used."""
    file = folder / f".room-{os.getpid()}"
    _remove_of_the_dead(folder)
    free = _free(folder)
    if free < KEPT_BACK + LOW:
        raise UserError(
            DISK_FULL,
            f"{folder} has {free // 1024**2} MB free. A run of Pulumi needs {(KEPT_BACK + LOW) // 1024**2} MB "
            "for its state; nothing was begun.",
            f"{SHOW_SPACE} {folder}",
        )
    try:
        _keep(file)
        yield Room(folder, file)
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def _keep(file: Path) -> None:
    try:
        with file.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, KEPT_BACK)
    except OSError as error:
        raise UserError(
            f"The state cannot be written to {file.parent}", error.strerror or "", SHOW_SPACE
        ) from error


def _free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def _remove_of_the_dead(folder: Path) -> None:
    for file in folder.glob(".room-*"):
        if has_ended(file.name.rpartition("-")[2]):
            with suppress(OSError):
                file.unlink(missing_ok=True)

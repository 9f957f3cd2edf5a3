"""The folder of a compose file: who may write there, what was there, and what is written.

Secrets are files of their own. Compose mounts them as they are, with owner and mode, into containers
that run as other users than this one: so each is readable to all, in a folder that only its owner gets into.
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cli.base.errors import UserError
from cli.base.record import write_atomically
from cli.operations.compose.services import CONFIGURATION
from cli.operations.compose.text import MARK

COMPOSE: Final = "compose.yaml"
SECRETS: Final = "secrets"

_FOLDER_MODE: Final = 0o700
_SECRET_MODE: Final = 0o444
_FILE_MODE: Final = 0o644


@dataclass(frozen=True)
class Change:
    """A file that was written: `action` is made or changed. Never what is in it."""

    path: str
    action: str


class ComposeFolder:
    """The folder that `--output` names."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def is_ours(self) -> bool:
        """Whether the command wrote it before."""
        return MARK in _start(self.path / COMPOSE)

    def check(self, names: Mapping[str, str]) -> None:
        """UserError, before anything is written, if the files `names` may not be written here."""
        if self.path.exists() and not self.path.is_dir():
            raise self._refused(f"{self.path} is no folder")
        foreign = [
            self.path / name
            for name in names
            if os.path.lexists(self.path / name) and not self._may_replace(name)
        ]
        if foreign:
            shown = ", ".join(str(path) for path in foreign)
            raise self._refused(
                f"{shown}: `aerodrome compose` did not write this and leaves it alone"
            )
        if tracked := _tracked(self.path):
            raise self._refused(
                f"git tracks {tracked} in {self.path}: secrets would be a commit away from everybody"
            )
        self._check_writable()

    def _may_replace(self, name: str) -> bool:
        path = self.path / name
        if path.is_symlink() or not path.is_file():
            return False
        # These bear no mark: their form is another's.
        if Path(name).parent.name in (SECRETS, CONFIGURATION):
            return self.is_ours
        return MARK in _start(path)

    def _check_writable(self) -> None:
        nearest = next(each for each in (self.path, *self.path.parents) if each.exists())
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise self._refused(f"{nearest} is not writable for this user")

    def _refused(self, why: str) -> UserError:
        return UserError(
            "The compose file cannot be written there",
            f"{why}. Nothing was changed. Choose another folder:",
            "./aerodrome compose --output FOLDER",
        )

    def secret(self, name: str) -> str:
        """A secret that an earlier run wrote; empty if there is none."""
        path = self.path / SECRETS / name
        if not self.is_ours or path.is_symlink() or not path.is_file():
            return ""
        try:
            return path.read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"The secret {path} cannot be read",
                f"{error}. It would be replaced by another one, and what it protects be lost.",
            ) from error

    def write(self, texts: Mapping[str, str]) -> list[Change]:
        """Writes what is new or different."""
        try:
            return list(self._write(texts))
        except OSError as error:
            raise UserError(
                f"{error.filename or self.path} cannot be written", error.strerror or str(error)
            ) from error

    def _write(self, texts: Mapping[str, str]) -> list[Change]:
        self.path.mkdir(parents=True, exist_ok=True)
        secrets = self.path / SECRETS
        secrets.mkdir(mode=_FOLDER_MODE, exist_ok=True)
        secrets.chmod(_FOLDER_MODE)
        changes = []
        # The compose file says whose folder it is: first, so that a run that was killed can be repeated.
        for name in sorted(texts, key=lambda name: (name != COMPOSE, name)):
            path = self.path / name
            mode = _SECRET_MODE if path.parent == secrets else _FILE_MODE
            path.parent.mkdir(exist_ok=True)
            before = path.read_text(encoding="utf-8") if path.exists() else None
            if before != texts[name]:
                write_atomically(path, texts[name], mode)
                changes.append(Change(name, "made" if before is None else "changed"))
            path.chmod(mode)
        return changes


def _start(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(300)
    except OSError:
        return ""


def _tracked(folder: Path) -> str:
    """A file in the folder that git tracks; empty if there is none, or no git."""
    if not folder.is_dir():
        return ""
    command = ["git", "-C", str(folder), "ls-files", "--", "."]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return (done.stdout.splitlines() or [""])[0] if done.returncode == 0 else ""

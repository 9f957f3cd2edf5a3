"""Files that appear whole or not at all: one by itself, or several as one.

Several: a marker with all their new contents is written first. Once it lies there the change
is decided, and whoever finds it finishes; before, nothing has happened. The marker knows the
old contents too, so that it never overwrites what somebody else has written meanwhile.
"""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.errors import UserError


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """All of it, on the disk, or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def replace_together(marker: Path, files: Mapping[Path, bytes], note: Mapping[str, str]) -> None:
    """Replace these files, which exist; `note` is for whoever finds the marker."""
    changes = [
        {
            "path": str(path),
            "old": _digest(path.read_bytes()),
            "new": _digest(data),
            "data": base64.b64encode(data).decode(),
        }
        for path, data in files.items()
    ]
    write_whole(marker, json.dumps({**note, "files": changes}).encode())
    finish(marker)


def read_marker(marker: Path) -> dict[str, Any] | None:
    """What a marker says; None if there is none: then nothing is to be finished."""
    try:
        document: dict[str, Any] = json.loads(marker.read_bytes())
        return document
    except FileNotFoundError:
        return None


def finish(marker: Path) -> None:
    """Do what a marker says and take it away. Nothing to do if there is none."""
    document = read_marker(marker)
    if document is None:
        return
    for change in document["files"]:
        path = Path(change["path"])
        found = _digest(path.read_bytes())
        if found == change["new"]:
            continue
        if found != change["old"]:
            raise UserError(
                f"{path} was changed while it was to be replaced",
                f"An earlier run was ended in the middle of it. What it was about to write is in\n"
                f"{marker} (base64). Put the file back as it was, or remove the marker.",
            )
        write_whole(path, base64.b64decode(change["data"]))
    marker.unlink()
    _sync_folder(marker.parent)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

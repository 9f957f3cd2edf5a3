"""What was done to a stack, run by run: the files that `pulumi stack history` reads.

    history/PROJECT/STACK/STACK-<ns>.history.json       one run: when, with what, what came of it
    history/PROJECT/STACK/STACK-<ns>.checkpoint.json    the state that it left
    backups/PROJECT/STACK/STACK.<ns>.json               the same once more, where Pulumi keeps it

The last 50 runs are kept. A run that changed nothing costs one small file: its state is
another name for the last one's.
"""

import json
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.engine.state.store import StackStore

KEPT = 50
_HISTORY = ".history.json"
_CHECKPOINT = ".checkpoint.json"


@dataclass(slots=True)
class Entry:
    """One run, in the making."""

    kind: str
    """update, refresh or destroy."""

    config: Mapping[str, Any]
    """Full keys; what is secret is still encrypted."""

    started: float = field(default_factory=time.time)
    result: str = "failed"
    changes: Mapping[str, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """In Pulumi's form."""
        return {
            "kind": self.kind,
            "startTime": int(self.started),
            "message": "",
            "environment": {"exec.kind": "aerodrome"},
            "config": dict(self.config),
            "result": self.result,
            "endTime": int(time.time()),
            "resourceChanges": {kind: count for kind, count in self.changes.items() if count},
        }


def add(store: StackStore, entry: Entry) -> None:
    """Write it down, beside the state as it is now. OSError if that cannot be done.

    Not flushed to the disk: the state is what matters, this only tells of it.
    """
    stamp = time.time_ns()
    store.history_dir.mkdir(parents=True, exist_ok=True)
    store.backup_dir.mkdir(parents=True, exist_ok=True)
    prefix = f"{store.stack}-{stamp}"
    before = _stamps(store.history_dir, _HISTORY)
    copy = store.history_dir / f"{prefix}{_CHECKPOINT}"
    _copy(store, before[-1] if before else None, copy)
    _link(copy, store.backup_dir / f"{store.stack}.{stamp}.json")
    # Last, because it is what readers look for.
    text = json.dumps(entry.document(), separators=(",", ":"), ensure_ascii=False)
    temporary = store.history_dir / f".{prefix}.new"
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.replace(store.history_dir / f"{prefix}{_HISTORY}")
    for old in before[: max(len(before) + 1 - KEPT, 0)]:
        for path in (
            store.history_dir / f"{store.stack}-{old}{_HISTORY}",
            store.history_dir / f"{store.stack}-{old}{_CHECKPOINT}",
            store.backup_dir / f"{store.stack}.{old}.json",
        ):
            path.unlink(missing_ok=True)


def read(store: StackStore) -> list[dict[str, Any]]:
    """All runs that are remembered, the latest first, each with its number (`version`)."""
    found = []
    for stamp in reversed(_stamps(store.history_dir, _HISTORY)):
        # A crash of the machine may have left half of one.
        with suppress(OSError, ValueError):
            path = store.history_dir / f"{store.stack}-{stamp}{_HISTORY}"
            found.append(json.loads(path.read_bytes()))
    return [{"version": len(found) - place, **run} for place, run in enumerate(found)]


def _stamps(folder: Path, ending: str) -> list[int]:
    try:
        names = [path.name for path in folder.iterdir() if path.name.endswith(ending)]
    except FileNotFoundError:
        return []
    stamps = [name.removesuffix(ending).rpartition("-")[2] for name in names]
    return sorted(int(stamp) for stamp in stamps if stamp.isdigit())


def _copy(store: StackStore, last: int | None, target: Path) -> None:
    """The state under another name: the last run's copy, if that is the same."""
    source = store.checkpoint.stat()
    if last is not None:
        previous = store.history_dir / f"{store.stack}-{last}{_CHECKPOINT}"
        with suppress(OSError):
            known = previous.stat()
            if (known.st_size, known.st_mtime_ns) == (source.st_size, source.st_mtime_ns):
                _link(previous, target)
                return
    # Never a link to the state itself: whoever edits that would change the past.
    try:
        shutil.copy2(store.checkpoint, target)
    except OSError:
        target.unlink(missing_ok=True)
        raise


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        # Some file systems have no second names.
        shutil.copy2(source, target)

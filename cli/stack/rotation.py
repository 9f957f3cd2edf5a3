"""What a stack's configuration says of its secrets' rotation: when each was made, and a rotation that is under way.

It lies beside the secrets, encrypted where it holds any, so whoever can deploy can also end a rotation that another
machine has begun. The program reads none of it.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Final, Self

from cli.base.values import reveal
from cli.stack.backends import Backend

MADE: Final = "rotation:made"
UNDER_WAY: Final = "rotation:fernet"
RETIRED: Final = "rotation:retiredFernetKeys"


@dataclass(frozen=True)
class Rotation:
    """A rotation of the Fernet key that has begun."""

    old: str = field(repr=False)
    """As configured before: perhaps several with commas."""

    new: str = field(repr=False)
    began: str
    """As ISO 8601."""

    @classmethod
    def begin(cls, old: str, new: str, now: datetime | None = None) -> Self:
        return cls(old, new, (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"))


def under_way(backend: Backend) -> Rotation | None:
    """The rotation that has begun and not ended."""
    if UNDER_WAY not in backend.configured():
        return None
    return Rotation(**json.loads(str(reveal(backend.config()[UNDER_WAY]))))


def remember(backend: Backend, rotation: Rotation) -> None:
    """Before anything else is changed."""
    backend.set_config(UNDER_WAY, json.dumps(asdict(rotation)), secret=True)


def forget(backend: Backend) -> None:
    """The rotation has ended."""
    if UNDER_WAY in backend.configured():
        backend.remove_config(UNDER_WAY)


def retired(backend: Backend) -> list[str]:
    """Fernet keys that a backup may still need, the latest first."""
    return [one["key"] for one in _retired(backend)]


def retire(backend: Backend, key: str, today: date, days: int) -> None:
    """Keeps a key for the backups that were made with it, and drops those that no backup needs after so many days."""
    kept = [
        one
        for one in _retired(backend)
        if (today - date.fromisoformat(one["on"])).days <= days and one["key"] != key
    ]
    if days:
        kept.insert(0, {"key": key, "on": today.isoformat()})
    if kept:
        backend.set_config(RETIRED, json.dumps(kept), secret=True)
    elif RETIRED in backend.configured():
        backend.remove_config(RETIRED)


def _retired(backend: Backend) -> list[dict[str, str]]:
    if RETIRED not in backend.configured():
        return []
    found: list[dict[str, str]] = json.loads(str(reveal(backend.config()[RETIRED])))
    return found


def made(backend: Backend) -> dict[str, date]:
    """When each secret was made, by its key; those of which nobody knows it are missing."""
    found = json.loads(backend.plain().get(MADE, "{}"))
    return {key: date.fromisoformat(text) for key, text in found.items()}


def note_made(backend: Backend, keys: Iterable[str], today: date | None = None) -> None:
    """These secrets are of today."""
    today = today or datetime.now(UTC).date()
    known = {key: day.isoformat() for key, day in made(backend).items()}
    wanted = known | dict.fromkeys(keys, today.isoformat())
    if wanted != known:
        backend.set_plain({MADE: json.dumps(wanted, sort_keys=True)})

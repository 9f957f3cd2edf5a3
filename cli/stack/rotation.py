"""What a stack's configuration says of its secrets' rotation: when each was made, and a rotation that is under way.

It lies beside the secrets, encrypted where it holds any, so whoever can deploy can also end a rotation that another
machine has begun. The program reads none of it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Final, Self

from cli.base.values import reveal
from cli.stack.backends import Backend
from infra.contract import rancher_keys

MADE: Final = "rotation:made"
RETIRED: Final = "rotation:retiredFernetKeys"


FERNET: Final = "fernet"
TOKENS: Final = "jwt"
DATABASE: Final = "database"
CELERY: Final = "celery"
MONITOR: Final = "monitor"
RANCHER: Final = "rancher"
ALL: Final = "all"
RENEWED: Final[Mapping[str, str]] = {
    FERNET: "fernetKey",
    TOKENS: "jwtSecret",
    DATABASE: "databasePassword",
    CELERY: "celeryPassword",
    MONITOR: "metricsDatabasePassword",
    "api": "apiSecretKey",
    "admin": "adminPassword",
    # The last: it waits for somebody who gives Rancher the new key.
    RANCHER: rancher_keys.SETTING,
}
"""The secret that each rotation replaces, by what the command line calls it. ALL goes through them in this order."""

RESUMED: Final = (FERNET, TOKENS, DATABASE, CELERY, RANCHER, ALL)
"""Rotations in several steps, which leave a record while they are under way."""


@dataclass(frozen=True)
class Rotation:
    """A rotation in several steps that has begun."""

    old: str = field(repr=False)
    """As configured before: perhaps several with commas."""

    new: str = field(repr=False)
    began: str
    """As ISO 8601."""

    @classmethod
    def begin(cls, old: str, new: str, now: datetime | None = None) -> Self:
        return cls(old, new, (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"))


def record(which: str) -> str:
    """The key of the configuration that holds a rotation of RESUMED while it is under way."""
    return f"rotation:{which}"


@dataclass(frozen=True)
class RotationOfAll:
    """A rotation of ALL that has begun."""

    began: str
    """As ISO 8601."""

    done: tuple[str, ...] = ()
    """Those of RENEWED that were through."""


def all_under_way(backend: Backend) -> RotationOfAll | None:
    """The rotation of all that has begun and not ended. A secret of which it says that it was replaced, and whose date is
    earlier, is of an older configuration: it was not."""
    text = backend.plain().get(record(ALL))
    if text is None:
        return None
    found, days = json.loads(text), made(backend)
    began = str(found["began"])
    first = date.fromisoformat(began[:10])
    done = [one for one in found["done"] if days.get(RENEWED[one], date.min) >= first]
    return RotationOfAll(began, tuple(done))


def remember_all(backend: Backend, rotation: RotationOfAll) -> None:
    """At its beginning, and when one of them is through."""
    backend.set_plain({record(ALL): json.dumps(asdict(rotation))})


def unfinished(backend: Backend) -> list[str]:
    """The rotations that have begun and not ended."""
    configured = backend.configured()
    return [which for which in RESUMED if record(which) in configured]


def under_way(backend: Backend, which: str) -> Rotation | None:
    """The rotation that has begun and not ended."""
    if record(which) not in backend.configured():
        return None
    return Rotation(**json.loads(str(reveal(backend.config()[record(which)]))))


def remember(backend: Backend, which: str, rotation: Rotation) -> None:
    """Before anything else is changed."""
    backend.set_config(record(which), json.dumps(asdict(rotation)), secret=True)


def forget(backend: Backend, which: str) -> None:
    """The rotation has ended."""
    if record(which) in backend.configured():
        backend.remove_config(record(which))


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

"""Bring pools, variables and connections to what the values files declare.

The migration Job does it at every change of them; `aerodrome up` runs it again, because people may have changed
a row since. What the kit has made is written down in a table beside Airflow's, in the same transaction, so it
goes with a backup of the database: what is in it and no longer declared is removed, what is not in it belongs to
people and stays, unless `prune` names its kind. The last line of the output is JSON.
"""

import hashlib
import hmac
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from declared_kinds import KINDS, Fields, Invalid, Kind, Missing, Secrets

FILE = "DECLARED_FILE"
FERNET_KEY = "AIRFLOW__CORE__FERNET_KEY"
LEAVE_OUT = "leaveOut"

MARK = "declared: "
"""Before the report in a longer log: `aerodrome up` looks for it."""

RECORD = "aerodrome_declared"
MAKE_RECORD = f"create table if not exists {RECORD} (kind text, name text, digest text, primary key (kind, name))"
LOCK = 0xAE0DD
"""Two Jobs at once would make the same rows."""


@dataclass
class Deeds:
    """What was done to bring Airflow to a declaration, each as `pool heavy`, some with what differed."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    taken_over: list[str] = field(default_factory=list)
    """Was there and not the kit's: somebody had made it by hand before it was declared."""

    drift: list[str] = field(default_factory=list)
    """Somebody had changed it since."""

    removed: list[str] = field(default_factory=list)

    SAID: ClassVar[Mapping[str, str]] = {
        "created": "made",
        "changed": "changed as declared",
        "taken_over": "was there and is the kit's now",
        "drift": "had been changed by hand, is as declared again",
    }
    """The words of each kind, in the order in which they are told. Whoever reports adds what is theirs."""

    def lines(self) -> Iterator[str]:
        for key, words in self.SAID.items():
            for what in getattr(self, key):
                yield f"{what}: {words}"

    def data(self) -> dict[str, list[str]]:
        return {key: getattr(self, key) for key in self.SAID}


@dataclass
class Report(Deeds):
    """Pools, variables and connections."""

    left_out: list[str] = field(default_factory=list)

    SAID: ClassVar[Mapping[str, str]] = {
        **Deeds.SAID,
        "removed": "removed: not declared any more",
        "left_out": "left out",
    }


class Sync:
    """One run, in one transaction."""

    def __init__(
        self, session: Any, declared: Mapping[str, Any], environment: Mapping[str, str]
    ) -> None:
        self._session = session
        self._declared = declared
        self._secrets = Secrets(environment)
        # What is known of the former content without keeping it: a digest that nobody can make who has no key.
        self._key = environment.get(FERNET_KEY, "").split(",")[0].encode()
        self.report = Report()

    def run(self) -> Report:
        from sqlalchemy import text

        self._session.execute(text(f"select pg_advisory_xact_lock({LOCK})"))
        self._session.execute(text(MAKE_RECORD))
        for kind in KINDS:
            self._kind(kind)
        return self.report

    def _kind(self, kind: Kind) -> None:
        known, names = self._known(kind), kind.names(self._session)
        declared = self._declared.get(kind.key) or {}
        for name, one in sorted(declared.items()):
            if wanted := self._wanted(kind, name, one):
                row = kind.row(self._session, name) if name in names else None
                self._one(kind, name, row, wanted, known.get(name))
        prune = kind.key in self._declared.get("prune", ())
        others = names - kind.kept if prune else set()
        for name in sorted((set(known) | others) - set(declared)):
            self._remove(kind, name, there=name in names)

    def _wanted(self, kind: Kind, name: str, declared: Any) -> Fields | None:
        """What it is to hold; None if it is to be left out. SystemExit if it cannot be made."""
        try:
            return kind.wanted(declared, self._secrets)
        except (Missing, Invalid) as error:
            if isinstance(error, Missing) and self._declared.get("missingSecrets") == LEAVE_OUT:
                self.report.left_out.append(f"{kind.called} {name} ({error})")
                return None
            raise SystemExit(f"{kind.key}.{name}: {error}; nothing was changed") from None

    def _one(
        self, kind: Kind, name: str, row: Any | None, wanted: Fields, known: str | None
    ) -> None:
        digest = self._digest(wanted)
        label = f"{kind.called} {name}"
        differs = (
            sorted(key for key, value in kind.fields(row).items() if value != wanted[key])
            if row
            else []
        )
        if row is None:
            (self.report.created if known is None else self.report.drift).append(label)
        elif known is None:
            self.report.taken_over.append(label)
        elif differs:
            fields = f"{label} ({', '.join(differs)})"
            (self.report.drift if digest == known else self.report.changed).append(fields)
        if row is None or differs:
            kind.write(self._session, name, row, wanted)
        if digest != known:
            self._remember(kind, name, digest)

    def _remove(self, kind: Kind, name: str, *, there: bool) -> None:
        if there:
            kind.remove(self._session, name)
            self.report.removed.append(f"{kind.called} {name}")
        self._execute(f"delete from {RECORD} where kind = :kind and name = :name", kind, name)

    def _digest(self, wanted: Fields) -> str:
        text = json.dumps(wanted, sort_keys=True).encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()

    def _known(self, kind: Kind) -> dict[str, str]:
        from sqlalchemy import text

        query = text(f"select name, digest from {RECORD} where kind = :kind")
        return {
            str(row[0]): str(row[1]) for row in self._session.execute(query, {"kind": kind.key})
        }

    def _remember(self, kind: Kind, name: str, digest: str) -> None:
        self._execute(
            f"insert into {RECORD} values (:kind, :name, :digest) "
            "on conflict (kind, name) do update set digest = excluded.digest",
            kind,
            name,
            digest=digest,
        )

    def _execute(self, statement: str, kind: Kind, name: str, **more: str) -> None:
        from sqlalchemy import text

        self._session.execute(text(statement), {"kind": kind.key, "name": name, **more})


def sync(environment: Mapping[str, str]) -> Report:
    """All of it, or nothing."""
    from airflow.utils.session import create_session

    declared = json.loads(Path(environment[FILE]).read_text())
    with create_session() as session:
        return Sync(session, declared, environment).run()


def main() -> int:
    """No arguments: everything comes from the environment."""
    report = sync(os.environ)
    for line in report.lines():
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(json.dumps(report.data()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

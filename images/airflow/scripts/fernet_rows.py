"""Which rows of Airflow's database its Fernet key encrypts: counted by who reads them, and encrypted anew.

The migration Job counts them before it changes anything and encrypts those in clear text; a Job that the command line
makes counts them for two keys, or encrypts all of them with the newest key. By SQL and not by Airflow's models: it
takes a tenth of the time, a row that is no ciphertext stops nothing, and whatever else changes a row meanwhile wins.
No value leaves this module, and the last line of its output is JSON.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from wait_for_schema import await_database, connect

FERNET_KEY = "AIRFLOW__CORE__FERNET_KEY"
OTHER_KEY = "OTHER_FERNET_KEY"
TASK = "FERNET_TASK"
ENCRYPT = "encrypt"

MARK = "fernet: "
"""Before the report in the migration Job's log: `aerodrome up` looks for it."""

BATCH = 200
"""Rows in one transaction."""

NAMED = 10
"""Rows that are told by their number."""


class Column(NamedTuple):
    """One that Airflow encrypts."""

    table: str
    name: str
    flag: str = ""
    """The column that says whether a row is ciphertext; without one its first character does."""

    empty: bool = False
    """Whether Airflow encrypts an empty text, too."""

    def encrypted(self, value: str, flag: bool | None) -> bool:
        """Whether a row of it is ciphertext."""
        return bool(flag) if self.flag else not value.startswith("{")


COLUMNS = (
    Column("connection", "password", "is_encrypted"),
    Column("connection", "extra", "is_extra_encrypted"),
    Column("variable", "val", "is_encrypted", empty=True),
    Column("trigger", "kwargs"),
    Column("connection_test_request", "password", "is_encrypted"),
    Column("connection_test_request", "extra", "is_extra_encrypted"),
)

CALLED: Mapping[str, str] = {
    "connection": "connections",
    "variable": "variables",
    "trigger": "triggers",
    "connection_test_request": "tests of connections",
}


@dataclass
class Count:
    """The rows of one table. A row with two encrypted columns is one row."""

    encrypted: int = 0
    clear: int = 0
    own: int = 0
    """Encrypted ones that this environment's key reads."""

    other: int = 0
    """Those of which the other key reads any part."""

    lost: int = 0
    """Those that this key reads, and the other one does not."""

    unreadable: list[str] = field(default_factory=list)
    """The numbers of some that this key does not read."""


@dataclass
class Work:
    """Rows that were encrypted, by table."""

    encrypted: dict[str, int] = field(default_factory=dict)
    """From clear text."""

    anew: dict[str, int] = field(default_factory=dict)
    """From ciphertext of an older key."""

    unreadable: dict[str, int] = field(default_factory=dict)
    """None of the keys reads them: they are as they were."""

    missed: int = 0
    """Somebody else changed them in that moment."""

    def note(self, done: dict[str, int], table: str, number: Any) -> None:
        """Counts a row, once for all of its columns."""
        if (row := (id(done), table, number)) not in self._noted:
            self._noted.add(row)
            done[table] = done.get(table, 0) + 1

    def __post_init__(self) -> None:
        self._noted: set[tuple[int, str, Any]] = set()

    def text(self) -> str:
        """For people; empty if nothing was to do."""
        parts = [
            f"{said}: {numbers(which)}"
            for said, which in (
                ("clear text encrypted", self.encrypted),
                ("encrypted anew", self.anew),
                ("not readable with any key", self.unreadable),
            )
            if which
        ]
        return "; ".join(parts)


class Reader:
    """Fernet keys as Airflow's setting has them, the newest first."""

    def __init__(self, keys: str) -> None:
        from cryptography.fernet import Fernet, InvalidToken, MultiFernet

        self._invalid = InvalidToken
        each = [Fernet(key.strip()) for key in keys.split(",")]
        self._all, self._newest = MultiFernet(each), each[0]

    def read(self, value: str) -> bytes | None:
        """The clear text; None if no key fits."""
        return self._try(self._all, value)

    def is_newest(self, value: str) -> bool:
        """Whether the newest key has encrypted it."""
        return self._try(self._newest, value) is not None

    def write(self, clear: bytes) -> str:
        """Ciphertext of the newest key."""
        return str(self._newest.encrypt(clear).decode())

    def _try(self, fernet: Any, value: str) -> bytes | None:
        try:
            return bytes(fernet.decrypt(value.encode()))
        except self._invalid:
            return None


def numbers(found: Mapping[str, int]) -> str:
    """Like "3 connections, 1 variables"."""
    return ", ".join(f"{count} {CALLED[table]}" for table, count in found.items())


def columns(connection: Any) -> list[Column]:
    """Those that this database has: an older schema, or one that is still empty, lacks some."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select table_name, column_name from information_schema.columns where table_schema = 'public'"
        )
        there = set(cursor.fetchall())
    return [one for one in COLUMNS if (one.table, one.name) in there]


def rows(connection: Any, column: Column) -> Iterator[tuple[Any, str, bool | None]]:
    """Number, text and flag of each row that has one, batch by batch: others may change rows in between."""
    flag = column.flag or "null::boolean"
    some = "" if column.empty else f"and {column.name} <> ''"
    query = (
        f"select id, {column.name}, {flag} from {column.table} "
        f"where {column.name} is not null {some} {{more}} order by id limit {BATCH}"
    )
    last: Any = None
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                query.format(more="" if last is None else "and id > %s"),
                () if last is None else (last,),
            )
            found = cursor.fetchall()
        yield from found
        if len(found) < BATCH:
            return
        last = found[-1][0]


def count(connection: Any, own: str, other: str = "") -> dict[str, Count]:
    """The rows of each table, by who reads them. Changes nothing."""
    readers = [Reader(key) if key else None for key in (own, other)]
    seen: dict[tuple[str, Any], list[tuple[bool, bool, bool]]] = {}
    for column in columns(connection):
        for number, value, flag in rows(connection, column):
            encrypted = column.encrypted(value, flag)
            reads = [
                encrypted and one is not None and one.read(value) is not None for one in readers
            ]
            seen.setdefault((column.table, number), []).append((encrypted, *reads))
    counts: dict[str, Count] = {}
    for (table, number), parts in seen.items():
        _add(counts.setdefault(table, Count()), number, parts)
    return counts


def _add(counted: Count, number: Any, parts: list[tuple[bool, bool, bool]]) -> None:
    if not all(encrypted for encrypted, _, _ in parts):
        counted.clear += 1
    ciphertexts = [(own, other) for encrypted, own, other in parts if encrypted]
    if not ciphertexts:
        return
    counted.encrypted += 1
    counted.other += any(other for _, other in ciphertexts)
    counted.lost += any(own and not other for own, other in ciphertexts)
    if all(own for own, _ in ciphertexts):
        counted.own += 1
    elif len(counted.unreadable) < NAMED:
        counted.unreadable.append(str(number))


def wrong_key(counts: Mapping[str, Count]) -> str:
    """What the environment's key cannot read, if it reads nothing at all; empty otherwise.

    A few rows that nobody can read are no reason to refuse a deployment: they were there before.
    """
    there = {table: one for table, one in counts.items() if one.encrypted}
    if not there or any(one.own for one in there.values()):
        return ""
    told = [f"{one.encrypted} of {one.encrypted} {CALLED[table]}" for table, one in there.items()]
    return f"this key cannot read {', '.join(told)}"


def encrypt(connection: Any, keys: str, *, clear_only: bool = False) -> Work:
    """Brings each row under the newest of the keys; with `clear_only` those in clear text only.

    A row is written only where it still is what was read, and what is under the newest key is left alone: it may be
    killed at any moment and run again, beside an Airflow at work.
    """
    reader, work = Reader(keys), Work()
    for column in columns(connection):
        for batch in _batches(rows(connection, column)):
            with connection.cursor() as cursor:
                for number, value, flag in batch:
                    _encrypt(cursor, reader, work, column, (number, value, flag), clear_only)
            connection.commit()
    return work


def _batches(found: Iterable[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for one in found:
        batch.append(one)
        if len(batch) == BATCH:
            yield batch
            batch = []
    yield batch


def _encrypt(
    cursor: Any,
    reader: Reader,
    work: Work,
    column: Column,
    row: tuple[Any, str, bool | None],
    clear_only: bool,
) -> None:
    number, value, flag = row
    encrypted = column.encrypted(value, flag)
    if encrypted and (clear_only or reader.is_newest(value)):
        return
    clear = reader.read(value) if encrypted else value.encode()
    if clear is None:
        work.note(work.unreadable, column.table, number)
        return
    also = f", {column.flag} = true" if column.flag else ""
    cursor.execute(
        f"update {column.table} set {column.name} = %s{also} where id = %s and {column.name} = %s",
        (reader.write(clear), number, value),
    )
    if not cursor.rowcount:
        work.missed += 1
        return
    work.note(work.anew if encrypted else work.encrypted, column.table, number)


def encrypt_all(connection: Any, keys: str, say: Callable[[str], None] = lambda text: None) -> Work:
    """As `encrypt`, until a pass finds nothing to do: rows that somebody else wrote meanwhile are looked at again."""
    total = encrypt(connection, keys)
    last = total
    while last.anew or last.encrypted or last.missed:
        last = encrypt(connection, keys)
        for sums, more in ((total.anew, last.anew), (total.encrypted, last.encrypted)):
            for table, number in more.items():
                sums[table] = sums.get(table, 0) + number
        total.unreadable = last.unreadable
    if text := total.text():
        say(text)
    return total


def main() -> int:
    """No arguments: everything comes from the environment."""
    await_database()
    connection = connect()
    try:
        own = os.environ[FERNET_KEY]
        if os.environ.get(TASK) == ENCRYPT:
            report = asdict(encrypt_all(connection, own))
        else:
            counts = count(connection, own, os.environ.get(OTHER_KEY, ""))
            report = {table: asdict(one) for table, one in counts.items()}
    finally:
        connection.close()
    sys.stdout.write(json.dumps(report) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

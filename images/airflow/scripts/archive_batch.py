"""Old rows on their way from Airflow's database to the bucket, a batch at a time.

`take` copies them into a schema of their own, with all that their deletion takes along; `send` writes that
schema to the bucket as one object, in the form of a backup; `delete` is one transaction that deletes exactly
the rows that are in the object, and the schema. What was killed in between is found by its schema, whose
comment is the object's name.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from database_copy import columns_of, write
from object_upload import Upload
from old_rows import OldRows

SCHEMA = "aerodrome_archive"
"""Where the rows of a batch lie until they are in the bucket: not in `public`, which backups, migrations and
Airflow look through. Its comment is the name of the object."""

COPY_SECONDS = 300
"""How long a batch's rows may be looked for. Nobody is held up by that."""

SEND_SECONDS = 3600
"""How long a table may take on its way to the bucket."""

DELETE_SECONDS = 60
"""How long a batch may be deleted. Its rows are locked meanwhile, and a change of the schema waits."""

LOCK_SECONDS = 5
"""How long a deletion waits for somebody who has one of its rows."""

PARTS = """
    select child.relname, parent.relname, array_agg(c.attname::text order by n), array_agg(p.attname::text order by n)
    from pg_constraint k
    join pg_class child on child.oid = k.conrelid join pg_class parent on parent.oid = k.confrelid
    cross join lateral unnest(k.conkey, k.confkey) with ordinality as cols(own, other, n)
    join pg_attribute c on c.attrelid = k.conrelid and c.attnum = own
    join pg_attribute p on p.attrelid = k.confrelid and p.attnum = other
    where k.contype = 'f' and k.confdeltype = 'c' and k.connamespace = 'public'::regnamespace
      and k.conrelid != k.confrelid
    group by k.oid, child.relname, parent.relname order by 1, 2"""
"""Which table's rows go with which other's (ON DELETE CASCADE), and by which columns."""

KEY = """
    select array_agg(a.attname::text) from pg_index i
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
    where i.indrelid = %s::regclass and i.indisprimary"""


_EQUAL = "present::text = archived::text"
"""A row and its copy hold the same. As text, because JSON knows no equality."""


class Changed(Exception):
    """A row of the batch is another than the one in the bucket: somebody has touched it meanwhile."""


class TooLarge(Exception):
    """A statement has taken longer than it may; nothing has changed by it."""


@dataclass(frozen=True)
class Place:
    """Where the archive goes."""

    s3: Any
    bucket: str
    folder: str


@dataclass(frozen=True)
class Part:
    """A table whose rows go with those of another."""

    table: str
    of: str
    columns: tuple[str, ...]
    others: tuple[str, ...]


def parts(connection: Any) -> list[Part]:
    """Which rows a deletion takes along, as the database has it."""
    with connection, connection.cursor() as cursor:
        cursor.execute(PARTS)
        return [
            Part(child, parent, tuple(columns), tuple(others))
            for child, parent, columns, others in cursor.fetchall()
        ]


class Batch:
    """Old rows of one table, with the rows of others that go with them."""

    def __init__(self, connection: Any, parts: list[Part]) -> None:
        self._connection = connection
        self._parts = parts

    @property
    def object_name(self) -> str:
        """Of a batch that is not done yet; empty if there is none."""
        found = self._ask(
            "select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = %s",
            SCHEMA,
        )
        return str(found or "")

    def take(self, old: OldRows, most: int, name: str) -> bool:
        """Copies the rows into the schema; False if there are none left."""
        with self._transaction(COPY_SECONDS) as cursor:
            # One moment for all tables.
            cursor.execute("set transaction isolation level repeatable read")
            cursor.execute(f"create schema {SCHEMA}")
            cursor.execute(f"comment on schema {SCHEMA} is %s", (name,))
            cursor.execute(
                f"create table {SCHEMA}.{quoted(old.table)} as {old.query} limit {most}",
                old.parameters,
            )
            if not self._taken(cursor, old.table):
                cursor.execute(f"drop schema {SCHEMA}")
                return False
            for part in self._after(old.table):
                self._take_part(cursor, part)
        return True

    def _after(self, first: str) -> list[str]:
        """The tables whose rows go with those of `first`, each after all that it goes with."""
        found: list[str] = []
        seen: set[str] = set()

        def visit(table: str) -> None:
            seen.add(table)
            for part in self._parts:
                if part.of == table and part.table not in seen:
                    visit(part.table)
            found.append(table)

        visit(first)
        return [table for table in reversed(found) if table != first]

    def _take_part(self, cursor: Any, table: str) -> None:
        there = self._tables(cursor)
        ways = [
            f"({_list(part.columns)}) in (select {_list(part.others)} from {SCHEMA}.{quoted(part.of)})"
            for part in self._parts
            if part.table == table and part.of in there
        ]
        if ways:
            name = quoted(table)
            source = f"select * from public.{name} where {' or '.join(ways)}"
            cursor.execute(f"create table {SCHEMA}.{name} as {source}")
            self._taken(cursor, table)

    def _taken(self, cursor: Any, table: str) -> bool:
        """Whether there are any rows. The planner must know how few: the tables that they come from are large."""
        name = f"{SCHEMA}.{quoted(table)}"
        cursor.execute(f"select exists (select 1 from {name})")
        (some,) = cursor.fetchone()
        cursor.execute(f"analyze {name}" if some else f"drop table {name}")
        return bool(some)

    def send(self, place: Place, about: Mapping[str, str]) -> dict[str, int]:
        """Writes the batch to the bucket, and sees that it is there."""
        key = f"{place.folder}/{self.object_name}"
        upload = Upload(place.s3, place.bucket, key)
        failed: BaseException | None = None
        rows: dict[str, int] = {}
        try:
            with self._transaction(SEND_SECONDS) as cursor:
                rows = write(cursor, upload.file, about, self._tables(cursor), SCHEMA)
        except BaseException as error:
            failed = error
        upload.finish(failed)
        if failed:
            raise failed
        self._check(place, key, upload.bytes)
        return rows

    def _check(self, place: Place, key: str, size: int) -> None:
        found = place.s3.list_objects_v2(Bucket=place.bucket, Prefix=key).get("Contents", [])
        sizes = [item["Size"] for item in found if item["Key"] == key]
        if sizes != [size]:
            there = f"has {sizes[0]} bytes" if sizes else "is not there"
            raise SystemExit(
                f"nothing was deleted: s3://{place.bucket}/{key} {there}, {size} were sent"
            )

    def delete(self) -> None:
        """Deletes the rows that are in the batch, and the batch. Changed if one is not as it was copied."""
        with self._transaction(DELETE_SECONDS) as cursor:
            cursor.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
            tables = list(self._tables(cursor))
            order = sorted(tables, key=lambda table: len(self._after(table)))
            # First the rows that nothing can be added to while somebody holds what they belong to.
            for table in reversed(order):
                self._lock(cursor, table)
            for table in order:
                self._delete_from(cursor, table)
            cursor.execute(f"drop schema {SCHEMA} cascade")

    def _lock(self, cursor: Any, table: str) -> None:
        name = quoted(table)
        cursor.execute(
            f"select 1 from public.{name} present join {SCHEMA}.{name} archived "
            f"on {self._same(cursor, table)} for update of present"
        )

    def _delete_from(self, cursor: Any, table: str) -> None:
        """Part by part, and not by the cascade, which takes what is not in the batch, too."""
        name = quoted(table)
        for part in self._parts:
            if part.of == table:
                self._check_no_part(cursor, part)
        cursor.execute(f"select count(*) from {SCHEMA}.{name}")
        (wanted,) = cursor.fetchone()
        cursor.execute(
            f"delete from public.{name} present using {SCHEMA}.{name} archived "
            f"where {self._same(cursor, table)} and {_EQUAL}"
        )
        if cursor.rowcount != wanted:
            raise Changed(f"{wanted - cursor.rowcount} rows of {table}")

    def _check_no_part(self, cursor: Any, part: Part) -> None:
        cursor.execute(
            f"select exists (select 1 from public.{quoted(part.table)} where ({_list(part.columns)}) in "
            f"(select {_list(part.others)} from {SCHEMA}.{quoted(part.of)}))"
        )
        if cursor.fetchone()[0]:
            raise Changed(f"rows of {part.table}")

    def _same(self, cursor: Any, table: str) -> str:
        """That a row and its copy are one: by the primary key, or, without one, by all that they hold."""
        cursor.execute(KEY, (f"public.{quoted(table)}",))
        (key,) = cursor.fetchone()
        if not key:
            return _EQUAL
        return " and ".join(f"present.{quoted(name)} = archived.{quoted(name)}" for name in key)

    def drop(self) -> None:
        """Gives the batch up; its rows are where they were."""
        with self._transaction(COPY_SECONDS) as cursor:
            cursor.execute(f"drop schema if exists {SCHEMA} cascade")

    def _tables(self, cursor: Any) -> dict[str, list[str]]:
        return columns_of(cursor, SCHEMA)

    def _ask(self, query: str, *parameters: object) -> Any:
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(query, parameters)
            row = cursor.fetchone()
            return row[0] if row else None

    @contextmanager
    def _transaction(self, seconds: int) -> Iterator[Any]:
        """Committed at the end of the block; no statement of it takes longer than it may."""
        from psycopg2.errors import QueryCanceled

        try:
            with self._connection, self._connection.cursor() as cursor:
                cursor.execute(f"set local statement_timeout = '{seconds}s'")
                yield cursor
        except QueryCanceled:
            raise TooLarge(f"more than {seconds} seconds") from None


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(map(quoted, names))

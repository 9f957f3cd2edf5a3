"""The whole content of a PostgreSQL database as one stream, and back: what a backup is made of.

A gzipped tar: `manifest.json` (where it comes from, the schema's revisions, the tables with their columns),
then each table in pieces of COPY's text format, last `rows.json` with the rows of each table, without which
a backup is not whole. Data only: Airflow's migrations make the schema, so a backup goes into another version
of PostgreSQL than it came from, which `pg_dump` of an older client refuses to read.
"""

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

FORMAT = 1
MANIFEST = "manifest.json"
ROWS = "rows.json"

PIECE_BYTES = 8 * 1024 * 1024
"""A tar names a member's size before its content, so a table of any size goes in pieces of this size at most."""

VERSION_TABLES = "alembic_version"
"""How the names of the tables begin that hold the schema's revision: the manifest has their content."""

LEFT_OUT = frozenset({"session"})
"""Sessions of the UI: whoever restores a backup must not bring logins back."""

TABLES = """
    select table_name, array_agg(column_name::text order by ordinal_position)
    from information_schema.columns join information_schema.tables using (table_schema, table_name)
    where table_schema = %s and table_type = 'BASE TABLE' and is_generated = 'NEVER'
    group by table_name order by table_name"""

FOREIGN_KEYS = """
    select conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid)
    from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace
    order by conrelid::regclass::text, conname"""

SEQUENCES = """
    select "table", "column", sequence from (
        select quote_ident(t.relname) as "table", a.attname as "column", coalesce(
            pg_get_serial_sequence(quote_ident(t.relname), a.attname),
            to_regclass(quote_ident(t.relname || '_' || a.attname || '_seq'))::text
        ) as sequence
        from pg_attribute a join pg_class t on t.oid = a.attrelid
        where t.relnamespace = 'public'::regnamespace and t.relkind = 'r' and a.attnum > 0 and not a.attisdropped
    ) found where sequence is not null order by 1, 2"""
"""Those of FAB's tables belong to no column: they are found by their name."""


class BackupError(Exception):
    """Why a backup cannot be made or restored, for whoever asked for it."""


def columns_of(cursor: Any, schema: str) -> dict[str, list[str]]:
    """The tables of a schema, each with its columns."""
    cursor.execute(TABLES, (schema,))
    return {name: list(columns) for name, columns in cursor.fetchall()}


def tables(cursor: Any) -> dict[str, list[str]]:
    """The tables that hold data, each with its columns."""
    return {
        name: columns
        for name, columns in columns_of(cursor, "public").items()
        if name not in LEFT_OUT and not name.startswith(VERSION_TABLES)
    }


def revisions(cursor: Any) -> dict[str, list[str]]:
    """The revisions of the schema, by version table."""
    from psycopg2 import sql

    found = {}
    for name in columns_of(cursor, "public"):
        if name.startswith(VERSION_TABLES):
            query = sql.SQL("select version_num from {} order by 1").format(sql.Identifier(name))
            cursor.execute(query)
            found[name] = [row[0] for row in cursor.fetchall()]
    return found


def dump(connection: Any, target: BinaryIO, about: Mapping[str, Any]) -> dict[str, int]:
    """Writes the database as it is at this moment to `target`. The rows of each table.

    `connection` must not have begun a transaction. Readers and writers of the database are not held up.
    """
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    with connection.cursor() as cursor:
        rows = write(cursor, target, about, tables(cursor))
    connection.rollback()
    return rows


def write(
    cursor: Any,
    target: BinaryIO,
    about: Mapping[str, Any],
    found: Mapping[str, list[str]],
    schema: str = "public",
) -> dict[str, int]:
    """Writes these columns of these tables to `target`. The rows of each table."""
    rows: dict[str, int] = {}
    with tarfile.open(fileobj=target, mode="w|gz") as archive:
        manifest = {
            **about,
            "format": FORMAT,
            "revisions": revisions(cursor),
            "tables": found,
        }
        _add(archive, MANIFEST, json.dumps(manifest, indent=1).encode())
        for name, columns in found.items():
            writer = _Pieces(archive, name)
            cursor.copy_expert(_copy(cursor, (schema, name), columns, "to stdout"), writer)
            writer.flush()
            rows[name] = writer.rows
        _add(archive, ROWS, json.dumps(rows, indent=1).encode())
    return rows


class Backup:
    """A backup that is read once, from its beginning: the manifest first, then the tables."""

    def __init__(self, source: BinaryIO) -> None:
        try:
            self._archive = tarfile.open(fileobj=source, mode="r|gz")  # noqa: SIM115 - read piece by piece, by its caller
            self.manifest = self._read_manifest()
        except (tarfile.TarError, EOFError, OSError, ValueError) as error:
            raise BackupError(f"this is no backup of Airflow's database: {error}") from None
        if self.manifest.get("format") != FORMAT:
            raise BackupError(
                f"the backup has format {self.manifest.get('format')}, this image reads {FORMAT}"
            )

    def _read_manifest(self) -> dict[str, Any]:
        member = self._archive.next()
        if member is None or member.name != MANIFEST:
            raise ValueError(f"it does not begin with {MANIFEST}")
        return dict(json.loads(self._content(member)))

    @property
    def revisions(self) -> dict[str, list[str]]:
        """The revisions of the schema that the data fits, by version table."""
        return dict(self.manifest["revisions"])

    def verify(self) -> None:
        """Reads to the end. BackupError if it is not whole."""
        self._each(lambda name, content: None)

    def load(self, connection: Any) -> dict[str, int]:
        """Replaces the content of the database with the backup's. The rows of each table.

        In the connection's transaction, which is the caller's to commit: until then nothing has changed. The
        schema must be at the backup's revisions.
        """
        with connection.cursor() as cursor:
            have = tables(cursor)
            self._check_tables(have)
            with _WithoutForeignKeys(cursor):
                _empty(cursor, have)
                rows = self._copy_all(cursor)
            _advance_sequences(cursor)
        return rows

    def _check_tables(self, have: Mapping[str, list[str]]) -> None:
        for name, columns in self.manifest["tables"].items():
            if missing := sorted(set(columns) - set(have.get(name, []))):
                what = f"table {name}" if name not in have else f"{name}.{', '.join(missing)}"
                raise BackupError(f"the backup has {what}, which this database does not have")

    def _copy_all(self, cursor: Any) -> dict[str, int]:
        def copy(name: str, content: bytes) -> None:
            columns = self.manifest["tables"][name]
            command = _copy(cursor, ("public", name), columns, "from stdin")
            cursor.copy_expert(command, io.BytesIO(content))

        return self._each(copy)

    def _each(self, take: Callable[[str, bytes], None]) -> dict[str, int]:
        """Hands over all pieces, each with its table. The rows of each table."""
        rows = dict.fromkeys(self.manifest["tables"], 0)
        counted = None
        try:
            for name, content in self._members():
                if name == ROWS:
                    counted = json.loads(content)
                    continue
                take(name, content)
                rows[name] += _lines(content)
        except (tarfile.TarError, EOFError, OSError) as error:
            raise BackupError(f"the backup is cut short or damaged: {error}") from None
        if counted is None:
            raise BackupError(f"the backup is cut short: {ROWS} is missing at its end")
        if counted != rows:
            wrong = [name for name in counted if counted[name] != rows.get(name)]
            raise BackupError(f"the backup is damaged: rows are missing in {', '.join(wrong)}")
        return rows

    def _members(self) -> Iterator[tuple[str, bytes]]:
        while (member := self._archive.next()) is not None:
            yield member.name.partition("/")[0], self._content(member)

    def _content(self, member: tarfile.TarInfo) -> bytes:
        file = self._archive.extractfile(member)
        if file is None:
            raise tarfile.ReadError(f"{member.name} is no file")
        content = file.read()
        if len(content) != member.size:
            raise EOFError(f"{member.name} ends early")
        return content


class _Pieces:
    """A file that COPY writes to: whole rows, put into the archive in pieces."""

    def __init__(self, archive: tarfile.TarFile, table: str) -> None:
        self._archive = archive
        self._table = table
        self._buffer = bytearray()
        self._number = 0
        self.rows = 0

    def write(self, row: bytes) -> int:
        """psycopg2 hands over one row in each call."""
        self._buffer += row
        if len(self._buffer) >= PIECE_BYTES:
            self.flush()
        return len(row)

    def flush(self) -> None:
        """Puts what was gathered into the archive."""
        if not self._buffer:
            return
        content = bytes(self._buffer)
        self.rows += _lines(content)
        _add(self._archive, f"{self._table}/{self._number:06}", content)
        self._number += 1
        self._buffer.clear()


def _lines(content: bytes) -> int:
    # COPY escapes the newlines of values.
    return content.count(b"\n")


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _copy(cursor: Any, table: tuple[str, str], columns: list[str], direction: str) -> str:
    from psycopg2 import sql

    return str(
        sql.SQL("copy {} ({}) {}")
        .format(
            sql.Identifier(*table),
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(direction),
        )
        .as_string(cursor)
    )


class _WithoutForeignKeys:
    """The tables without their foreign keys, which hold again at the end, or the transaction fails.

    Switching them off (`session_replication_role`) takes a superuser, and an order of the tables that
    satisfies all of them does not exist.
    """

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def __enter__(self) -> None:
        self._cursor.execute(FOREIGN_KEYS)
        self._keys = self._cursor.fetchall()
        for table, name, _ in self._keys:
            self._cursor.execute(f"alter table {table} drop constraint {name}")

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind:
            return
        for table, name, definition in self._keys:
            self._cursor.execute(f"alter table {table} add constraint {name} {definition}")


def _empty(cursor: Any, names: Mapping[str, Any]) -> None:
    from psycopg2 import sql

    there = LEFT_OUT & columns_of(cursor, "public").keys()
    every = sql.SQL(", ").join(map(sql.Identifier, [*names, *sorted(there)]))
    cursor.execute(sql.SQL("truncate {}").format(every))


def _advance_sequences(cursor: Any) -> None:
    from psycopg2 import sql

    cursor.execute(SEQUENCES)
    for table, column, sequence in cursor.fetchall():
        highest = sql.SQL("select max({}) from " + table).format(sql.Identifier(column))
        cursor.execute(highest)
        value = cursor.fetchone()[0]
        cursor.execute("select setval(%s, %s, %s)", (sequence, value or 1, value is not None))

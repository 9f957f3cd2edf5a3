"""Locks of the database: one keeps the cleaning of old rows apart from backups, restores and migrations, one keeps two
migrations apart.

Backups, restores and migrations share the first, so they do not hold up one another; the cleaning wants it alone, and
gives it up after its present batch when somebody waits. A lock ends with its connection: a pod that was killed leaves none.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from wait_for_schema import connect

LOCK = 0xAE0DC
MIGRATION_LOCK = 0xAE0DE
PAUSE_SECONDS = 0.5

PATIENCE_SECONDS = 180
"""More than a batch takes. The connection of a pod whose node is gone lasts for hours."""

_LOCKS = """
    pg_locks where locktype = 'advisory' and classid = 0 and objid = %s
    and database = (select oid from pg_database where datname = current_database())"""


@contextmanager
def at_work(patience_seconds: int = PATIENCE_SECONDS) -> Iterator[None]:
    """No cleaning is under way while the block lasts.

    One that does not give way in time loses its connection: nothing is lost by that, its next run continues.
    """
    import psycopg2

    connection = _connected()
    try:
        _ask(connection, "select set_config('lock_timeout', %s, false)", f"{patience_seconds}s")
        try:
            _ask(connection, "select pg_advisory_lock_shared(%s)", LOCK)
        except psycopg2.errors.LockNotAvailable:
            end_it = "select count(pg_terminate_backend(pid))"
            _ask(connection, f"{end_it} from {_LOCKS} and mode = 'ExclusiveLock' and granted", LOCK)
            _ask(connection, "select pg_advisory_lock_shared(%s)", LOCK)
        yield
    finally:
        connection.close()


class Alone:
    """The lock, held by one that cleans."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for it."""
        return bool(_ask(self._connection, f"select count(*) from {_LOCKS} and not granted", LOCK))


@contextmanager
def alone() -> Iterator[Alone | None]:
    """The lock while the block lasts; None if others are at work."""
    connection = _connected()
    try:
        taken = _ask(connection, "select pg_try_advisory_lock(%s)", LOCK)
        yield Alone(connection) if taken else None
    finally:
        connection.close()


@contextmanager
def only_migration(report: Callable[[str], None]) -> Iterator[None]:
    """No other migration is under way while the block lasts.

    It asks again and again: a statement that waits has a snapshot, which `create index concurrently` of the other one
    would wait for, and PostgreSQL does not see that circle, because the lock is another connection's.
    """
    connection = _connected()
    try:
        # A node that goes says nothing to the server, which would keep its locks for two hours.
        for name, value in (("idle", "30"), ("interval", "10"), ("count", "3")):
            _ask(connection, f"select set_config('tcp_keepalives_{name}', %s, false)", value)
        waits = False
        while not _ask(connection, "select pg_try_advisory_lock(%s)", MIGRATION_LOCK):
            if not waits:
                report("another migration of this database is under way: waiting for its end")
                waits = True
            time.sleep(PAUSE_SECONDS)
        yield
    finally:
        connection.close()


def _connected() -> Any:
    connection = connect()
    connection.autocommit = True
    return connection


def _ask(connection: Any, query: str, parameter: object) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query, (parameter,))
        return cursor.fetchone()[0]

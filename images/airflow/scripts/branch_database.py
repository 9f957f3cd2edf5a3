"""Make or drop a branch's database in this environment's PostgreSQL, with a user of its own.

`charts/branch-database` runs it in this environment's namespace, where the password is that makes
databases. May run again at any time: what is there already stays, what is gone already is no error.
"""

import os
import sys
import time
from typing import Any

from wait_for_schema import INTERVAL, libpq_url

ADMIN = "ADMIN_CONNECTION"
PASSWORD = "DATABASE_PASSWORD"
SECOND_USER = "SECOND_USER"
SECOND_PASSWORD = "SECOND_PASSWORD"
WAIT_SECONDS = "WAIT_SECONDS"

CONNECTIONS = 40
"""How many a branch may hold; Airflow's own processes take about ten. One that runs wild must not lock out
its neighbours, nor the environment that carries it."""

LOCK = 0xAE0D0
"""Two changes of the same catalogue rows at once fail: branches take turns."""


ROLES = "select 1 from pg_roles where rolname = %s"
DATABASES = "select 1 from pg_database where datname = %s"
SHUT = "select 1 from pg_database where datname = %s and not datallowconn"
TEMPLATES = "select 1 from pg_database where datname = %s and datistemplate"

OPEN_TO_ALL = """
    select datname from pg_database
    where pg_has_role(datdba, 'usage')
      and (has_database_privilege('public', oid, 'connect')
           or has_database_privilege('public', oid, 'temporary'))
    order by datname"""
"""Of those that this user may close; on RDS the server's `postgres` and `template1` are among them."""


def exists(cursor: Any, query: str, name: str) -> bool:
    """Whether the query finds the name."""
    cursor.execute(query, (name,))
    return cursor.fetchone() is not None


def connect(url: str, patience: float) -> Any:
    """A connection as the user that may make databases."""
    import psycopg2

    end = time.monotonic() + patience
    while True:
        try:
            connection = psycopg2.connect(url, connect_timeout=5)
        except psycopg2.OperationalError as error:
            if time.monotonic() > end:
                # libpq's text names host, user and reason, never the password.
                raise SystemExit(f"the database does not answer: {error}") from None
            time.sleep(INTERVAL)
        else:
            # CREATE DATABASE and DROP DATABASE run outside of transactions only.
            connection.autocommit = True
            return connection


def set_password(cursor: Any, name: str, password: str, connections: int) -> None:
    """The user may log in with this password, so often at a time; with an empty one, not at all."""
    from psycopg2 import sql
    from psycopg2.extensions import encrypt_password

    # Hashed here, so that no log of the server can hold it.
    verifier = (
        encrypt_password(password, name, cursor.connection, "scram-sha-256") if password else None
    )
    cursor.execute(
        sql.SQL("alter role {} with login connection limit %s password %s").format(
            sql.Identifier(name)
        ),
        (connections, verifier),
    )


def create(connection: Any, name: str, password: str) -> list[str]:
    """The user with this password, and its database, closed to everybody else. What was made."""
    from psycopg2 import sql

    named = sql.Identifier(name)
    made = []
    with connection.cursor() as cursor:
        if not exists(cursor, ROLES, name):
            cursor.execute(sql.SQL("create role {}").format(named))
            made.append("user")
        set_password(cursor, name, password, CONNECTIONS)
        join(cursor, name)
        made += make_database(cursor, name)
        _close(cursor)
        open_database(cursor, name)
    return made


def make_database(cursor: Any, name: str) -> list[str]:
    """A user's database that lets in nobody yet, if there is none. What was made."""
    from psycopg2 import sql

    if exists(cursor, DATABASES, name):
        return []
    named = sql.Identifier(name)
    # template1 can not be copied while anybody is connected to it; nobody can be to template0.
    # Open to everybody at first, so to nobody until that is mended.
    statement = "create database {} owner {} template template0 allow_connections false"
    cursor.execute(sql.SQL(statement).format(named, named))
    return ["database"]


def open_database(cursor: Any, name: str) -> None:
    """Whoever may connect to it, can from now on."""
    from psycopg2 import sql

    if exists(cursor, SHUT, name):
        statement = sql.SQL("alter database {} with allow_connections true")
        cursor.execute(statement.format(sql.Identifier(name)))


def join(cursor: Any, name: str) -> None:
    """A database can be given to, and taken from, only a user that one is a member of; since PostgreSQL 16
    whoever makes a user is none by that alone."""
    from psycopg2 import sql

    cursor.execute(sql.SQL("grant {} to current_user").format(sql.Identifier(name)))


def _close(cursor: Any) -> None:
    """Whoever has a user in this server gets into no database but their own."""
    cursor.execute(OPEN_TO_ALL)
    for (database,) in cursor.fetchall():
        close_database(cursor, database)


def close_database(cursor: Any, name: str) -> None:
    """Only its owner, and whom that lets in, may connect to it."""
    from psycopg2 import sql

    closed = sql.SQL("revoke connect, temporary on database {} from public")
    cursor.execute(closed.format(sql.Identifier(name)))


def drop(connection: Any, name: str, second: str = "") -> list[str]:
    """The database with everybody who is still connected, then its users. What was dropped."""
    from psycopg2 import sql

    named = sql.Identifier(name)
    dropped = []
    with connection.cursor() as cursor:
        user = exists(cursor, ROLES, name)
        if exists(cursor, DATABASES, name):
            if user:
                join(cursor, name)
            drop_database(cursor, name)
            dropped.append("database")
        if second and exists(cursor, ROLES, second):
            cursor.execute(sql.SQL("drop role {}").format(sql.Identifier(second)))
            dropped.append("second user")
        if user:
            cursor.execute(sql.SQL("drop role {}").format(named))
            dropped.append("user")
    return dropped


def drop_database(cursor: Any, name: str) -> None:
    """With everybody who is still connected."""
    from psycopg2 import sql

    named = sql.Identifier(name)
    # Its owner may have made it one, and such can not be dropped.
    if exists(cursor, TEMPLATES, name):
        cursor.execute(sql.SQL("alter database {} with is_template false").format(named))
    cursor.execute(sql.SQL("drop database {} with (force)").format(named))


def main(arguments: list[str]) -> int:
    """`branch_database.py create|drop NAME`."""
    command, name = arguments
    url, second = libpq_url(os.environ[ADMIN]), os.environ.get(SECOND_USER, "")
    connection = connect(url, float(os.environ[WAIT_SECONDS]))
    try:
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(%s)", (LOCK,))
        if command == "create":
            changed = create(connection, name, os.environ[PASSWORD])
            if second:
                import database_logins

                changed += database_logins.settle(
                    connection, name, second, os.environ[SECOND_PASSWORD], CONNECTIONS
                )
        else:
            changed = drop(connection, name, second)
    finally:
        connection.close()
    done = {"create": "made", "drop": "dropped"}[command]
    sys.stdout.write(f"{name}: {' and '.join(changed) or 'nothing'} {done}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

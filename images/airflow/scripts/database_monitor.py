"""A user of this environment's PostgreSQL who is asked for the server's figures: of no database the owner, reader of no table.

`prepare_database.py` makes it, as the user that may make users, on RDS as in the cluster.
"""

import sys
from typing import Any

from branch_database import ROLES, exists, set_password

CONNECTIONS = 3
"""One asks; another may begin before the server has noticed that the first is gone."""


def ensure(connection: Any, name: str, password: str) -> bool:
    """The user with this password, let into the database of the connection: into others only their owners are. Whether it is new."""
    from psycopg2 import sql
    from psycopg2.errors import InsufficientPrivilege

    named = sql.Identifier(name)
    with connection.cursor() as cursor:
        new = not exists(cursor, ROLES, name)
        if new:
            cursor.execute(sql.SQL("create role {}").format(named))
        set_password(cursor, name, password, CONNECTIONS)
        # Not the narrower pg_read_all_stats: RDS lets its customer give away this one only.
        # In an instance that is shared with others its customer is who made it, and what others do is not ours to see.
        try:
            cursor.execute(sql.SQL("grant pg_monitor to {}").format(named))
        except InsufficientPrivilege as error:
            sys.stdout.write(f"{name} sees what its own sessions do alone: {error.pgerror}")
        cursor.execute(_on_database("grant connect on database {} to {}", connection, named))
    return new


def drop(connection: Any, name: str) -> bool:
    """The user's end; one who is connected stays so until it disconnects. Whether there was one."""
    from psycopg2 import sql

    named = sql.Identifier(name)
    with connection.cursor() as cursor:
        if not exists(cursor, ROLES, name):
            return False
        cursor.execute(_on_database("revoke connect on database {} from {}", connection, named))
        cursor.execute(sql.SQL("drop role {}").format(named))
    return True


def _on_database(statement: str, connection: Any, named: Any) -> Any:
    from psycopg2 import sql

    return sql.SQL(statement).format(sql.Identifier(connection.info.dbname), named)

"""The two users by whom Airflow logs in to its database in turn: made as configured, and tried in the end.

The first owns the database. The second is a member of it, and its sessions act as the first from their beginning: what either
makes belongs to the first. `prepare_database.py` and `branch_database.py` call `settle`; run as a program this tries
logins, and says which the server takes.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from branch_database import ROLES, exists, set_password
from wait_for_schema import CONNECTION, INTERVAL, libpq_url

LOGINS = "LOGINS"
"""The variable with the logins to try: pairs of user and password, as JSON."""

UNLIMITED = -1
REFUSED = "password authentication failed"


def settle(
    connection: Any, owner: str, second: str, password: str, connections: int = UNLIMITED
) -> list[str]:
    """The second user with this password, or with none, if there is one. What was made."""
    from psycopg2 import sql

    named = sql.Identifier(second)
    made = []
    with connection.cursor() as cursor:
        if not exists(cursor, ROLES, second):
            if not password:
                return []
            cursor.execute(sql.SQL("create role {}").format(named))
            made.append("second user")
        cursor.execute(sql.SQL("grant {} to {}").format(sql.Identifier(owner), named))
        cursor.execute(sql.SQL("alter role {} set role to {}").format(named, sql.Identifier(owner)))
        # Last: who logs in before acts as itself, and what it makes would be its own.
        set_password(cursor, second, password, connections)
    return made


PATIENCE = 60.0
"""Seconds. The network of a pod that has just started may not let it out yet."""


def accepted(url: str, logins: Sequence[tuple[str, str]], patience: float = PATIENCE) -> list[bool]:
    """Whether the server takes each. SystemExit if it cannot be asked."""
    give_up = time.monotonic() + patience
    return [_accepted(url, user, password, give_up) for user, password in logins]


def _accepted(url: str, user: str, password: str, give_up: float) -> bool:
    import psycopg2

    while True:
        try:
            psycopg2.connect(url, user=user, password=password, connect_timeout=10).close()
            return True
        except psycopg2.OperationalError as error:
            if REFUSED in str(error):
                return False
            if time.monotonic() > give_up:
                # libpq's text names host, user and reason, never the password.
                raise SystemExit(f"whether {user} may log in is not known: {error}") from None
            time.sleep(INTERVAL)


def main() -> int:
    """No arguments: everything comes from the environment."""
    logins = [(user, password) for user, password in json.loads(os.environ[LOGINS])]
    sys.stdout.write(f"{json.dumps(accepted(libpq_url(os.environ[CONNECTION]), logins))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

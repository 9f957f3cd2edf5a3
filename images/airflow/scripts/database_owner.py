"""An owner of Airflow's database who never logs in: for a server whose first user nobody can act as, on RDS.

Since PostgreSQL 16 only who has the admin option on a user may give away its membership, and RDS's first user has none on
itself. So both users by whom Airflow logs in act as a third role from their sessions' beginning: it owns what the first one
owned, may what that one might, and has no password. `prepare_database.py` calls `settle`, as the first user, with the
password that RDS gives it. It may be done again at any time, also after it was ended at any statement.
"""

import time
from collections.abc import Callable
from typing import Any

import database_logins
from branch_database import ROLES, exists

RDS_SUPERUSER = "rds_superuser"
"""RDS lets its members give it away, with the admin option or without; what it allows, the first user may, and the owner must."""

LOCK_MILLISECONDS = 500
"""Less than PostgreSQL's `deadlock_timeout`, a second: whoever waits for one table while this waits for another is never ended."""

IN_USE = "55P03"
"""PostgreSQL's code of a lock that was not to be had in time."""

TRY_AGAIN_SECONDS = 5.0
IN_USE_SECONDS = 600.0

ADMINISTERED = """
    select roleid::regrole::text, admin_option from pg_auth_members
    where member = current_user::regrole and (admin_option or pg_get_userbyid(roleid) = %s)
      and pg_get_userbyid(roleid) <> %s and not pg_has_role(roleid, %s, 'member')
    order by 1"""
"""Roles that this user has made, or may give away for another reason. Not the second user, to whom the owner will be given,
nor who has been given it: no role can be a member of its own members."""

SCHEMAS = """
    select nspname from pg_namespace
    where nspowner = current_user::regrole and nspname !~ '^pg_' order by 1"""

TABLES = """
    select nspname, relname from pg_class join pg_namespace on pg_namespace.oid = relnamespace
    where relowner = current_user::regrole and relkind in ('r', 'p') and nspname !~ '^pg_'
    order by 1, 2"""


def settle(
    connection: Any,
    owner: str,
    second: str,
    password: str,
    say: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """As `database_logins.settle`: the second user with this password, or with none, if there is one. What was made."""
    from psycopg2 import sql

    named = sql.Identifier(owner)
    made = []
    with connection.cursor() as cursor:
        # As itself: its sessions begin as the owner, to whom neither of the two belongs.
        cursor.execute("set role none")
        if not password and not exists(cursor, ROLES, second):
            return []
        if not exists(cursor, ROLES, owner):
            cursor.execute(sql.SQL("create role {} createdb createrole").format(named))
            made.append("owner")
        cursor.execute(sql.SQL("grant {} to current_user").format(named))
        _hand_over_roles(cursor, owner, second)
        _hand_over_objects(cursor, owner, say)
        # After it owns everything. What sessions of before make is handed over the next time.
        cursor.execute(sql.SQL("alter role current_user set role to {}").format(named))
    return made + database_logins.settle(connection, owner, second, password)


def _hand_over_roles(cursor: Any, owner: str, second: str) -> None:
    """Users of branches, of results and for figures: who acts as the owner may change them, and drop them."""
    from psycopg2 import sql

    cursor.execute(ADMINISTERED, (RDS_SUPERUSER, second, owner))
    for name, admin in cursor.fetchall():
        statement = sql.SQL("grant {} to {}" + (" with admin option" if admin else ""))
        # A regrole's text is quoted where it must be.
        cursor.execute(statement.format(sql.SQL(name), sql.Identifier(owner)))


def _hand_over_objects(cursor: Any, owner: str, say: Callable[[str], None]) -> None:
    """Airflow works meanwhile, as a member of the owner. One table after the other, so that each is locked for a moment,
    and nobody who has one and waits for another can be in this one's way."""
    from psycopg2 import sql

    named = sql.Identifier(owner)
    database = sql.Identifier(cursor.connection.info.dbname)
    cursor.execute("select set_config('lock_timeout', %s, false)", (f"{LOCK_MILLISECONDS}ms",))
    # First: only who may make a table in a schema can be given one.
    statement = sql.SQL("alter database {} owner to {}")
    _patiently(cursor, statement.format(database, named), say)
    cursor.execute(SCHEMAS)
    for (schema,) in cursor.fetchall():
        statement = sql.SQL("alter schema {} owner to {}")
        _patiently(cursor, statement.format(sql.Identifier(schema), named), say)
    cursor.execute(TABLES)
    for schema, table in cursor.fetchall():
        statement = sql.SQL("alter table {} owner to {}")
        _patiently(cursor, statement.format(sql.Identifier(schema, table), named), say)
    # Types, functions, and the server's own databases, which are closed to users of branches by who owns them.
    rest = sql.SQL("reassign owned by current_user to {}")
    _patiently(cursor, rest.format(named), say)
    cursor.execute("reset lock_timeout")


def _patiently(cursor: Any, statement: Any, say: Callable[[str], None]) -> None:
    import psycopg2

    give_up = time.monotonic() + IN_USE_SECONDS
    while True:
        try:
            cursor.execute(statement)
            return
        except psycopg2.Error as error:
            if error.pgcode != IN_USE or time.monotonic() > give_up:
                raise
            reason = " ".join(str(error).split())
            say(f"a table is in use, it gets its owner in {TRY_AGAIN_SECONDS:g} s: {reason}")
            time.sleep(TRY_AGAIN_SECONDS)

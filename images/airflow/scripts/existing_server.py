"""Make or drop the database of a dedicated environment, in an RDS instance that was there before it and is others', too.

`charts/branch-database` runs it in a namespace that has nothing else. Who may make databases there is read from Secrets Manager each
time, and known to this process alone. As `branch_database.py` it may run again at any time, and end at any statement. What it makes
it marks, in the same transaction: users without the mark, and databases of others, are never touched.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import branch_database
import database_logins
from branch_database import LOCK, PASSWORD, ROLES, SECOND_PASSWORD, SECOND_USER, WAIT_SECONDS

SECRET = "ADMIN_SECRET"
HOST = "SERVER_HOST"
PORT = "SERVER_PORT"
INSTANCE = "SERVER_INSTANCE"
MARK = "SERVER_MARK"
CONNECTIONS = "SERVER_CONNECTIONS"

OLDEST = 160_000
"""Before, whoever may make users may take the place of any user who is no superuser: Airflow would reach all that is there."""

EXIT_CODE = 3
"""Of what another try does not change: the Job ends with it at once."""

RIGHTS = """
    select rolsuper or (rolcreatedb and rolcreaterole) from pg_roles where rolname = current_user"""

COMMENT = "select shobj_description(oid, 'pg_authid') from pg_roles where rolname = %s"
OWNER = "select pg_get_userbyid(datdba) from pg_database where datname = %s"

MADE = """
    select pg_get_userbyid(roleid) from pg_auth_members
    where pg_get_userbyid(member) = %s and admin_option and grantor = 10
    order by 1"""
"""Users that this user has made: since PostgreSQL 16 the server itself, its first superuser, says so. What somebody else has
given it is not among them."""

DATABASES_OF = """
    select datname from pg_database where pg_get_userbyid(datdba) = any(%s) order by 1"""


class Refused(Exception):
    """What another try does not change."""


@dataclass(frozen=True)
class Own:
    """What is the environment's in the server."""

    name: str
    """Of the database, and of the user that owns it."""

    second: str
    mark: str
    """The comment on each of its users."""


@dataclass(frozen=True)
class Passwords:
    """Those of the two users; one without cannot log in."""

    first: str = field(repr=False)
    second: str = field(repr=False)


def admin(environment: Mapping[str, str]) -> str:
    """How the user that makes databases logs in, as libpq wants it. SystemExit if the secret cannot be read now."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError
    from psycopg2.extensions import make_dsn

    arn = environment[SECRET]
    try:
        client = boto3.session.Session().client("secretsmanager", arn.split(":")[3])
        found = login(client.get_secret_value(SecretId=arn).get("SecretString", ""))
    except (BotoCoreError, ClientError) as error:
        # The right to read it may be some seconds old, and not known everywhere yet.
        raise SystemExit(f"{arn} cannot be read: {error}") from None
    except ValueError as error:
        raise Refused(f"{arn}: {error}") from None
    return str(
        make_dsn(
            host=environment[HOST],
            port=environment[PORT],
            user=found["username"],
            password=found["password"],
            dbname=found.get("dbname") or "postgres",
            sslmode=environment.get("PGSSLMODE", "require"),
        )
    )


def login(content: str) -> dict[str, str]:
    """The user in a secret. ValueError, which never repeats the content, if there is none."""
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ValueError("it has no JSON object with `username` and `password`")
    for part in ("username", "password"):
        if not isinstance(found.get(part), str) or not found[part]:
            raise ValueError(f"it has no `{part}`")
    return found


def _one(cursor: Any, query: str, name: str) -> Any:
    cursor.execute(query, (name,))
    found = cursor.fetchone()
    return found[0] if found else None


def _is_ours(cursor: Any, user: str, own: Own) -> bool:
    return bool(_one(cursor, COMMENT, user) == own.mark)


def require(cursor: Any, own: Own) -> None:
    """Refused if the server or its user will not do, or if somebody else has what would be the environment's."""
    if cursor.connection.server_version < OLDEST:
        raise Refused(
            f"the server is PostgreSQL {cursor.connection.server_version // 10_000}, and must be {OLDEST // 10_000} or newer"
        )
    cursor.execute(RIGHTS)
    if not cursor.fetchone()[0]:
        raise Refused(
            f"the user {cursor.connection.info.user} may not make databases and users: it needs CREATEDB and CREATEROLE"
        )
    for user in (own.name, own.second):
        if branch_database.exists(cursor, ROLES, user) and not _is_ours(cursor, user, own):
            raise Refused(
                f"the user {user} is there already, and not this environment's: nothing was changed"
            )
    if (owner := _one(cursor, OWNER, own.name)) not in (None, own.name):
        raise Refused(
            f"the database {own.name} is there already, and belongs to {owner}: nothing was changed"
        )


def create(connection: Any, own: Own, passwords: Passwords, connections: int) -> list[str]:
    """The two users with these passwords, and the database, closed to everybody else. What was made."""
    from psycopg2 import sql

    made = []
    with connection.cursor() as cursor:
        require(cursor, own)
        if _make_user(cursor, own.name, own.mark):
            made.append("user")
        # It makes the databases of branches.
        rights = sql.SQL("alter role {} createdb createrole")
        cursor.execute(rights.format(sql.Identifier(own.name)))
        branch_database.set_password(cursor, own.name, passwords.first, connections)
        branch_database.join(cursor, own.name)
        made += branch_database.make_database(cursor, own.name)
        branch_database.close_database(cursor, own.name)
        branch_database.open_database(cursor, own.name)
        if passwords.second and _make_user(cursor, own.second, own.mark):
            made.append("second user")
    database_logins.settle(connection, own.name, own.second, passwords.second, connections)
    return made


def _make_user(cursor: Any, name: str, mark: str) -> bool:
    """Whether it is new. With its mark or not at all: several statements at once are one transaction."""
    from psycopg2 import sql

    if branch_database.exists(cursor, ROLES, name):
        return False
    statements = sql.SQL("create role {0}; comment on role {0} is {1}")
    cursor.execute(statements.format(sql.Identifier(name), sql.Literal(mark)))
    return True


def drop(connection: Any, own: Own) -> list[str]:
    """The databases of the environment, and of branches that are gone without having dropped theirs, then all users. What was
    dropped; the user with the mark goes last, so that an interrupted one can be ended."""
    from psycopg2 import sql

    with connection.cursor() as cursor:
        if not _is_ours(cursor, own.name, own):
            return []
        branch_database.join(cursor, own.name)
        seconds = [own.second] if _is_ours(cursor, own.second, own) else []
        for user in seconds:
            # Sessions of it can be ended only by who is a member.
            branch_database.join(cursor, user)
        cursor.execute(MADE, (own.name,))
        made = [row[0] for row in cursor.fetchall()]
        _as_owner(cursor, own.name, ["grant {} to current_user"], made)
        cursor.execute(DATABASES_OF, ([own.name, *made],))
        databases = [row[0] for row in cursor.fetchall()]
        for database in databases:
            branch_database.drop_database(cursor, database)
        _as_owner(cursor, own.name, ["drop role {}"], made)
        for user in (*seconds, own.name):
            cursor.execute(sql.SQL("drop role {}").format(sql.Identifier(user)))
        return [*databases, *made, *seconds, own.name]


def _as_owner(cursor: Any, owner: str, statements: list[str], users: list[str]) -> None:
    """Who has made users may give them away, and drop them."""
    from psycopg2 import sql

    cursor.execute(sql.SQL("set role {}").format(sql.Identifier(owner)))
    for user in users:
        for statement in statements:
            cursor.execute(sql.SQL(statement).format(sql.Identifier(user)))
    cursor.execute("reset role")


def work(command: str, own: Own, environment: Mapping[str, str]) -> list[str]:
    """`create` or `drop`, alone in the server. What was done."""
    connection = branch_database.connect(admin(environment), float(environment[WAIT_SECONDS]))
    try:
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(%s)", (LOCK,))
        if command == "drop":
            return drop(connection, own)
        passwords = Passwords(environment[PASSWORD], environment[SECOND_PASSWORD])
        return create(connection, own, passwords, int(environment[CONNECTIONS]))
    finally:
        connection.close()


def main(arguments: list[str]) -> int:
    """`existing_server.py create|drop NAME`."""
    from psycopg2.errors import InsufficientPrivilege

    command, name = arguments
    own = Own(name, os.environ[SECOND_USER], os.environ[MARK])
    try:
        changed = work(command, own, os.environ)
    except Refused as error:
        sys.stdout.write(f"{os.environ[INSTANCE]}: {error}\n")
        return EXIT_CODE
    except InsufficientPrivilege as error:
        reason = " ".join(str(error).split())
        sys.stdout.write(
            f"{os.environ[INSTANCE]}: the user of {os.environ[SECRET]} may not do that: {reason}\n"
        )
        return EXIT_CODE
    done = {"create": "made", "drop": "dropped"}[command]
    sys.stdout.write(f"{name}: {' and '.join(changed) or 'nothing'} {done}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Bring the database to this image's schema, then to the account that the Secret names, and to what is declared.

The one process that writes schema, roles and the first account: the migration Job runs it at
every install and upgrade. Doing both in one process saves loading Airflow twice. It may run
again at any time, also after it was killed, and two that start together run one after the other. A database of
a newer Airflow, or one whose connections this Fernet key cannot read, is left as it is. The password comes from the environment, so it is in no process list;
nothing here writes it.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import fernet_rows
import maintenance
import schema_versions
import sync_access
import sync_declared
from wait_for_schema import CONNECTION, await_database, connect, libpq_url

FAST_COMMITS = "-c synchronous_commit=off"
"""A thousand small commits, none of which anybody relies on before the last one is through."""

IN_USE = ("55P03", "40P01")
"""PostgreSQL's codes of a lock that was not to be had in time, and of a deadlock that it has ended."""

LOCK_SECONDS = 5
TRY_AGAIN_SECONDS = 5.0
IN_USE_SECONDS = 600.0


@dataclass(frozen=True)
class Account:
    """The administrator that can always log in."""

    username: str
    email: str
    password: str = field(repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Account":
        """From the keys of the Secret; each must be there."""
        return cls(
            username=environment["ADMIN_USERNAME"],
            email=environment["ADMIN_EMAIL"],
            password=environment["ADMIN_PASSWORD"],
        )


def say(text: str) -> None:
    """A line for whoever reads the Job's log."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class WrongKeyError(Exception):
    """The database is encrypted with another Fernet key."""


def check_fernet_key() -> None:
    """WrongKeyError if nothing that is encrypted can be read: Airflow would run, and each task that asks would fail."""
    connection = connect()
    try:
        counts = fernet_rows.count(connection, os.environ[fernet_rows.FERNET_KEY])
    finally:
        connection.close()
    if wrong := fernet_rows.wrong_key(counts):
        raise WrongKeyError(
            f"nothing was changed: {wrong}. Set the key that the database was encrypted with: "
            "./aerodrome config set fernetKey (docs/secrets.md)"
        )
    for table, one in counts.items():
        if left := one.encrypted - one.own:
            which = f"{left} of {one.encrypted} {fernet_rows.CALLED[table]}"
            say(f"warning: this Fernet key cannot read {which}: {', '.join(one.unreadable)}")


def encrypt_clear_text() -> None:
    """Rows of an installation that had no key; others are not touched."""
    connection = connect()
    try:
        work = fernet_rows.encrypt(connection, os.environ[fernet_rows.FERNET_KEY], clear_only=True)
    finally:
        connection.close()
    if work.encrypted:
        say(work.text())
        say(f"{fernet_rows.MARK}{json.dumps(asdict(work))}")


def migrate() -> None:
    """What `airflow db migrate` does: Airflow's own tables, then those of the providers.

    The Airflow of before works meanwhile. A change of a table that waits for one transaction holds up all that come
    after it, so it waits some seconds only, and begins again a little later: what is done of the migrations is kept.
    """
    from airflow import settings
    from airflow.utils.db import upgradedb
    from sqlalchemy.exc import DBAPIError

    os.environ["PGOPTIONS"] = f"{FAST_COMMITS} -c lock_timeout={LOCK_SECONDS}s"
    give_up = time.monotonic() + IN_USE_SECONDS
    while True:
        try:
            upgradedb()
            break
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", "") not in IN_USE or time.monotonic() > give_up:
                raise
            reason = " ".join(str(error.orig).split())
            say(f"a table is in use, the migration goes on in {TRY_AGAIN_SECONDS:g} s: {reason}")
            time.sleep(TRY_AGAIN_SECONDS)
        finally:
            settings.engine.dispose()
    os.environ["PGOPTIONS"] = FAST_COMMITS


def bring_up_to_date() -> None:
    """The schema of this image, noted as such. NewerSchemaError if the database is of a newer Airflow."""
    connection = connect()
    connection.autocommit = True
    try:
        schema_versions.check(connection)
        last, own = schema_versions.noted(connection), schema_versions.version()
        if last != own:
            say(f"database schema: from Airflow {last or 'unknown'} to {own}")
        migrate()
        schema_versions.note(connection, own)
    finally:
        connection.close()
    say("database schema: up to date")


KITS_NAME = ("Aerodrome", "Admin")
"""First and last name of the account that this script made: so it is known when the Secret names another."""


@dataclass(frozen=True)
class Existing:
    """An account that is there."""

    id: int
    username: str
    email: str
    name: tuple[str, str]


class Conflict(SystemExit):
    """The Secret's account cannot be made without touching somebody else's."""


def own_account(account: Account, there: Sequence[Existing]) -> Existing | None:
    """The account to bring to what the Secret says; None if one is to be made.

    That is the one of this name, or else the one that was made for an earlier name. All others belong to
    people: Conflict if one of them has the name or the e-mail address.
    """
    # As Flask AppBuilder compares names at the login.
    name = account.username.casefold()
    named = _the_one(there, lambda one: one.username.casefold() == name)
    made = _the_one(there, lambda one: one.name == KITS_NAME)
    if named and made and named.name != KITS_NAME:
        raise Conflict(
            f'adminUser: the account "{named.username}" is a person\'s, and "{made.username}" is '
            "the administrator's; choose another adminUser, or delete one of the two"
        )
    own = named or made
    mail = _the_one(there, lambda one: one.email == account.email)
    if mail and mail != own:
        raise Conflict(
            f'adminEmail: {account.email} belongs to the account "{mail.username}", and no two '
            "accounts may share an address; choose another adminEmail"
        )
    return own


def _the_one(there: Sequence[Existing], fits: Callable[[Existing], bool]) -> Existing | None:
    return next(filter(fits, there), None)


def ensure_account(account: Account) -> str:
    """The roles, and the administrator as the Secret says; says what it did."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        # The api-server does not write permissions itself (fab.update_fab_perms is off there):
        # several of them starting at once would write the same rows.
        builder.add_permissions(update_perms=True)
        manager = builder.sm
        manager.sync_roles()
        there = [
            Existing(each.id, each.username, each.email, (each.first_name, each.last_name))
            for each in manager.get_all_users()
        ]
        own = own_account(account, there)
        role = manager.find_role("Admin")
        if own is None:
            manager.add_user(account.username, *KITS_NAME, account.email, role, account.password)
            return "created"
        return _brought_up_to_date(manager, manager.get_user_by_id(own.id), account, role)


def _brought_up_to_date(manager: Any, user: Any, account: Account, role: Any) -> str:
    from werkzeug.security import check_password_hash

    changes = []
    if user.username != account.username:
        changes.append(f"renamed from {user.username}")
        user.username = account.username
    if user.email != account.email:
        changes.append("given the Secret's e-mail address")
        user.email = account.email
    if role not in user.roles or not user.active:
        changes.append("made an active administrator again")
        user.roles, user.active = [*(each for each in user.roles if each != role), role], True
    if changes and manager.update_user(user) is False:
        raise SystemExit(f"the account {account.username} could not be changed: see above")
    if not check_password_hash(user.password, account.password):
        manager.reset_password(user.id, account.password)
        changes.append("given the Secret's password")
    return ", ".join(changes) or "unchanged"


def ensure_results(
    name: str, password: str, second: str = "", second_password: str = ""
) -> list[str]:
    """A database of its own for the results of Celery's tasks, with a user that owns it and nothing
    else: workers, and so tasks, have its password. And with the other user, who acts as the first."""
    from branch_database import CONNECTIONS, LOCK, connect, create

    connection = connect(libpq_url(os.environ[CONNECTION]), 10)
    try:
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(%s)", (LOCK,))
        made = create(connection, name, password)
        if second:
            import database_logins

            made += database_logins.settle(connection, name, second, second_password, CONNECTIONS)
        return made
    finally:
        connection.close()


def settle_logins(owner: str, password: str, second: str, second_password: str) -> list[str]:
    """The users by whom Airflow logs in; the one that this very Job came by keeps its password. What was made."""
    import database_logins
    from branch_database import LOCK, connect, set_password

    connection = connect(libpq_url(os.environ[CONNECTION]), 10)
    try:
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(%s)", (LOCK,))
            set_password(cursor, owner, password, database_logins.UNLIMITED)
        return database_logins.settle(connection, owner, second, second_password)
    finally:
        connection.close()


RDS_SECONDS = 180.0
"""RDS changes its first user's password some seconds after it was told to."""


def settle_owner(environment: Mapping[str, str]) -> list[str]:
    """The owner of a database on RDS, and the second user, as the first one: with the password that RDS was given, whether
    Airflow logs in by it or not. What was made. SystemExit if RDS does not take that password."""
    import database_owner
    from branch_database import LOCK, connect
    from psycopg2.extensions import make_dsn

    login = {"user": environment["DATABASE_USER"], "password": environment["DATABASE_PASSWORD"]}
    connection = connect(make_dsn(libpq_url(environment[CONNECTION]), **login), RDS_SECONDS)
    try:
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(%s)", (LOCK,))
        second, password = environment["SECOND_USER"], environment["SECOND_PASSWORD"]
        return database_owner.settle(
            connection, environment["DATABASE_OWNER"], second, password, say
        )
    finally:
        connection.close()


def settle_users(environment: Mapping[str, str]) -> list[str]:
    """The users by whom Airflow logs in, if they are this Job's to see to. What was made."""
    if "DATABASE_USER" not in environment:
        return []
    if "DATABASE_OWNER" in environment:
        return settle_owner(environment)
    names = ("DATABASE_USER", "DATABASE_PASSWORD", "SECOND_USER", "SECOND_PASSWORD")
    return settle_logins(*(environment[name] for name in names))


def admit(environment: Mapping[str, str]) -> list[str]:
    """The second user, if this Job is about to log in by it: a server on RDS that is new, or restored, does not know it. This
    takes nobody's password away, so it may come before the checks that refuse a deployment. What was made."""
    from psycopg2.extensions import parse_dsn

    user = parse_dsn(libpq_url(environment[CONNECTION])).get("user")
    if "DATABASE_OWNER" in environment and user == environment["SECOND_USER"]:
        return settle_owner(environment)
    return []


def settle_monitor(name: str, password: str | None) -> str:
    """The user of the server's figures, or none where nobody asks for them; says what it did."""
    import database_monitor
    from branch_database import LOCK, connect

    connection = connect(libpq_url(os.environ[CONNECTION]), 10)
    try:
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(%s)", (LOCK,))
        if password is None:
            return "dropped" if database_monitor.drop(connection, name) else "none"
        return "created" if database_monitor.ensure(connection, name, password) else "unchanged"
    finally:
        connection.close()


def flush() -> None:
    """A commit that waits for the disk, and so for all those before it that did not."""
    from airflow import settings
    from sqlalchemy import text

    with settings.engine.begin() as connection:
        connection.execute(text("set local synchronous_commit = on"))
        connection.execute(text("select pg_current_xact_id()"))


def main() -> int:
    """No arguments: everything comes from the environment."""
    account = Account.from_environment(os.environ)
    os.environ["PGOPTIONS"] = FAST_COMMITS
    for user in admit(os.environ):
        say(f"{user} of the database made")
    await_database()
    with maintenance.only_migration(say), maintenance.at_work():
        try:
            return prepare(account)
        except schema_versions.NewerSchemaError as error:
            say(str(error))
            return schema_versions.EXIT_CODE
        except WrongKeyError as error:
            say(str(error))
            return schema_versions.EXIT_CODE


def prepare(account: Account) -> int:
    """Schema, encryption, account, results and monitor, while no cleaning is under way."""
    check_fernet_key()
    bring_up_to_date()
    encrypt_clear_text()
    say(f"account {account.username}: {ensure_account(account)}")
    if sync_access.FILE in os.environ:
        told = sync_access.sync(os.environ, account.username)
        for line in told.lines() if told else ():
            say(line)
        if told:
            say(f"{sync_access.MARK}{json.dumps(told.data())}")
    if sync_declared.FILE in os.environ:
        report = sync_declared.sync(os.environ)
        for line in report.lines():
            say(line)
        say(f"{sync_declared.MARK}{json.dumps(report.data())}")
    if results := os.environ.get("RESULTS_DATABASE"):
        second = [os.environ.get(f"RESULTS_SECOND_{what}", "") for what in ("USER", "PASSWORD")]
        made = ensure_results(results, os.environ["RESULTS_PASSWORD"], *second)
        say(f"{results}: {' and '.join(made) or 'nothing'} made")
    for user in settle_users(os.environ):
        say(f"{user} of the database made")
    if monitor := os.environ.get("MONITOR_ROLE"):
        say(f"user {monitor}: {settle_monitor(monitor, os.environ.get('MONITOR_PASSWORD'))}")
    flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

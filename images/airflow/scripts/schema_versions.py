"""Which Airflow a database's schema belongs to, and whether this image's migrations know it.

Airflow's own tables and those of some providers have a history of migrations each, and the database says in a
version table how far it has come. It does not say which Airflow that was, so the migration Job leaves a note. By
Airflow's private names, as there are no public ones; a release that renames them fails the build of the image
(`record_schema.py`), before it can do harm.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

AIRFLOWS = "alembic_version"
"""The version table of Airflow's own migrations."""

EXIT_CODE = 3
"""The migration Job's where image or Fernet key do not fit the database: it ends the Job's tries, for none will mend that."""

_READ_NOTE = f"select obj_description(to_regclass('{AIRFLOWS}'), 'pg_class')"
_WRITE_NOTE = f"comment on table {AIRFLOWS} is %s"
_NOTE = re.compile(r"Airflow (\d\S*)")


class NewerSchemaError(Exception):
    """The database is of an Airflow that this image's migrations do not know."""


def managers(session: Any = None) -> Iterator[Any]:
    """What migrates the tables of each provider that has some."""
    from airflow.utils.db_manager import RunDBManager

    for manager_class in RunDBManager()._managers:
        yield manager_class(session=session)


def migrate_to(wanted: Mapping[str, Sequence[str]]) -> None:
    """Runs the migrations of a database without tables up to these revisions, by version table."""
    from airflow import settings
    from airflow.utils.db import upgradedb

    (revision,) = wanted[AIRFLOWS]
    upgradedb(to_revision=revision)
    with settings.Session() as session:
        for manager in managers(session):
            for revision in wanted.get(manager.version_table_name, ()):
                # What it has read, its migrations would wait for.
                session.rollback()
                manager.upgradedb(to_revision=revision)


def histories() -> dict[str, Any]:
    """The migrations of this image, by version table: Airflow's own, then those of the providers."""
    from airflow.utils.db import _get_script_object

    own = {AIRFLOWS: _get_script_object()}
    return own | {each.version_table_name: each.get_script_object() for each in managers()}


def unknown(found: Mapping[str, Sequence[str]]) -> list[str]:
    """The revisions among those of a database that no migration of this image leads to."""
    from alembic.util import CommandError

    lost = []
    for table, history in histories().items():
        for revision in found.get(table, ()):
            try:
                history.get_revision(revision)
            except CommandError:
                lost.append(revision)
    return lost


def version() -> str:
    """Of this image's Airflow."""
    from airflow import __version__

    return str(__version__)


def noted(connection: Any) -> str:
    """The Airflow that migrated the database last; empty if it was none of the kit's."""
    with connection.cursor() as cursor:
        cursor.execute(_READ_NOTE)
        found = _NOTE.fullmatch(cursor.fetchone()[0] or "")
    return found[1] if found else ""


def note(connection: Any, airflow: str) -> None:
    """Writes down which Airflow the database is migrated for."""
    with connection.cursor() as cursor:
        cursor.execute(_WRITE_NOTE, (f"Airflow {airflow}",))


def check(connection: Any) -> None:
    """NewerSchemaError if this image's Airflow is too old for the database. Reads, and changes nothing."""
    from database_copy import revisions

    with connection.cursor() as cursor:
        lost = unknown(revisions(cursor))
    if not lost:
        return
    own, last = version(), noted(connection)
    # A note of this version or an older one: somebody has migrated without the kit since.
    newer = f"Airflow {last}" if last and _ordered(last) > _ordered(own) else "a newer Airflow"
    raise NewerSchemaError(
        f"nothing was changed: the database has the schema of {newer}, which this image's Airflow {own} does not "
        f"know (revision {', '.join(lost)}). Deploy {newer} again. Back to {own} leads a backup that was made with "
        "it: ./aerodrome restore --no-migrate --from BACKUP, then ./aerodrome up (docs/upgrade.md)"
    )


def _ordered(text: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", text)[:3]]

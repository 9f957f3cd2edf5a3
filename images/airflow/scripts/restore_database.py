"""Replace the content of this environment's database with that of a backup.

A Job that `aerodrome restore` makes runs it, while Airflow's own pods are away. The backup comes from an
address that works for an hour, so the pod needs no right in AWS. If the schema is the backup's, everything
happens in one transaction; of an older one, the schema is made anew as it was then, filled and migrated (not with
RESTORE_MIGRATE=false: an older image comes next), and after an interruption the same command begins again. Connections and variables that another environment's
Fernet key encrypted are encrypted with this one's. The last line of the output is JSON.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

import fernet_rows
import maintenance
import prepare_database
import schema_versions
from backup_database import FERNET_KEY, fingerprint, newest
from database_copy import LEFT_OUT, Backup, BackupError, revisions, tables
from sync_declared import MAKE_RECORD
from wait_for_schema import connect

URL = "BACKUP_URL"
FORMER_KEY = "FORMER_FERNET_KEY"
MIGRATE = "RESTORE_MIGRATE"


def keys(backup: Backup, own: str, former: str) -> list[str]:
    """The keys that read the backup, this environment's first; BackupError if none of them does.

    Those that a rotation has taken away are among `former`. Of a backup that was made during one, some rows are
    under the key of before.
    """
    known = [key.strip() for key in (*own.split(","), *former.split(",")) if key]
    found = {fingerprint(key): key for key in known}
    wanted = str(backup.manifest["fernet"])
    if wanted not in found:
        raise BackupError(
            f"environment {backup.manifest['environment']} encrypted its connections with another Fernet key, "
            "and it was not given: --fernet-key-of ENVIRONMENT"
        )
    return list(dict.fromkeys([newest(own), found[wanted], *known]))


def check_readable(connection: Any, fernet_keys: Sequence[str]) -> bool:
    """Whether the first key reads all that is encrypted.

    BackupError if a row that is said to be encrypted cannot be decrypted: nothing is lost silently.
    """
    counts = fernet_rows.count(connection, ",".join(fernet_keys), fernet_keys[0])
    for table, one in counts.items():
        for number in one.unreadable:
            raise BackupError(f"{table} {number} is encrypted with a key that is not known")
    return not any(one.lost for one in counts.values())


def encrypt_anew(fernet_keys: Sequence[str]) -> None:
    """Brings all rows under this environment's key, which is the first."""
    connection = connect()
    try:
        fernet_rows.encrypt_all(connection, ",".join(fernet_keys))
    finally:
        connection.close()


def check_known(backup: Backup) -> None:
    """BackupError if the schema of the backup is none that this image's migrations know."""
    if schema_versions.unknown(backup.revisions):
        raise BackupError(
            f"the backup is of Airflow {backup.manifest['airflow']}, whose schema this image's Airflow "
            f"{schema_versions.version()} does not know: restore it with an image of that version or a newer one"
        )


def make_schema(connection: Any, backup: Backup) -> None:
    """The database as the migrations made it for the backup's version, without content."""
    with connection.cursor() as cursor:
        _drop_all(cursor)
        connection.commit()
        schema_versions.migrate_to(backup.revisions)
        # In which migrations of long ago would have put what they take away.
        for name in tables(cursor).keys() - backup.manifest["tables"].keys():
            cursor.execute(f'drop table "{name}"')
    schema_versions.note(connection, backup.manifest["airflow"])
    connection.commit()


def _drop_all(cursor: Any) -> None:
    """What migrations make: tables, sequences and enumerations."""
    cursor.execute(
        "select format('drop table %%I cascade', tablename) from pg_tables "
        "where schemaname = 'public' and tablename != all(%s)",
        (sorted(LEFT_OUT),),
    )
    found = cursor.fetchall()
    cursor.execute(
        "select format('drop sequence %s', oid::regclass) from pg_class "
        "where relnamespace = 'public'::regnamespace and relkind = 'S' and not exists "
        "(select from pg_depend where objid = pg_class.oid and deptype in ('a', 'i'))"
    )
    found += cursor.fetchall()
    cursor.execute(
        "select format('drop type %s cascade', oid::regtype) from pg_type "
        "where typnamespace = 'public'::regnamespace and typtype = 'e'"
    )
    for (statement,) in [*found, *cursor.fetchall()]:
        cursor.execute(statement)


def load(
    connection: Any,
    backup: Backup,
    own: str,
    former: str,
    verify: Callable[[], None] = lambda: None,
) -> tuple[dict[str, int], list[str]]:
    """Loads the backup and commits it, if all of it can be read. The rows, and the keys that read it: one, if that is enough.

    `verify` is called before what is there is dropped because its schema is another.
    """
    fernet_keys = keys(backup, own, former)
    check_known(backup)
    foreign = str(backup.manifest["fernet"]) != fingerprint(newest(own))
    if foreign and not _migrates():
        raise BackupError(
            "it is encrypted with another environment's Fernet key, and only a database of this image's schema can be "
            "encrypted anew: restore it without --no-migrate"
        )
    with connection.cursor() as cursor:
        same = revisions(cursor) == backup.revisions
    connection.rollback()
    if not same:
        verify()
        make_schema(connection, backup)
    with connection.cursor() as cursor:
        # Not of Airflow's migrations, and in the backup: what was declared where it comes from.
        cursor.execute(MAKE_RECORD)
    rows = backup.load(connection)
    enough = check_readable(connection, fernet_keys)
    connection.commit()
    return rows, fernet_keys[:1] if enough else fernet_keys


def _migrates() -> bool:
    return os.environ.get(MIGRATE) != "false"


def main() -> int:
    """No arguments: everything comes from the environment."""
    with maintenance.at_work():
        return restore()


def _verify() -> None:
    """Reads the backup once more, from its beginning."""
    with urllib.request.urlopen(os.environ[URL], timeout=60) as source:
        Backup(source).verify()


def restore() -> int:
    """The whole work, while nothing else cleans the database."""
    import psycopg2

    own = os.environ[FERNET_KEY]
    connection = connect()
    try:
        with urllib.request.urlopen(os.environ[URL], timeout=60) as source:
            backup = Backup(source)
            rows, fernet_keys = load(
                connection, backup, own, os.environ.get(FORMER_KEY, ""), _verify
            )
    except BackupError as error:
        raise SystemExit(f"not restored: {error}") from None
    except psycopg2.Error as error:
        raise SystemExit(f"not restored: {' '.join(str(error).split())}") from None
    except urllib.error.URLError as error:
        # The address itself is a credential.
        raise SystemExit(f"not restored: the backup cannot be fetched: {error.reason}") from None
    finally:
        connection.close()
    if _migrates():
        if len(fernet_keys) > 1:
            # First: the migration refuses what this environment's key cannot read.
            encrypt_anew(fernet_keys)
        if code := prepare_database.main():
            return code
    manifest = {key: backup.manifest[key] for key in ("environment", "airflow", "made")}
    done = {**manifest, "rows": sum(rows.values()), "tables": rows}
    sys.stdout.write(json.dumps(done) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

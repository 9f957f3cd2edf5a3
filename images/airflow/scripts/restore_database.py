"""Replace the content of this environment's database with that of a backup.

A Job that `aerodrome restore` makes runs it, while Airflow's own pods are away. The backup comes from an
address that works for an hour, so the pod needs no right in AWS. If the schema is the backup's, everything
happens in one transaction; of an older one, the schema is made anew as it was then, filled and migrated (not with
RESTORE_MIGRATE=false: an older image comes next), and after an interruption the same command begins again. Connections and variables that another environment's
Fernet key encrypted are encrypted with this one's. The last line of the output is JSON.
"""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any

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

# Which columns Airflow encrypts, and what says whether a row is.
ENCRYPTED = (
    ("connection", "password", "is_encrypted"),
    ("connection", "extra", "is_extra_encrypted"),
    ("variable", "val", "is_encrypted"),
    ("trigger", "kwargs", "true"),
)


def keys(backup: Backup, own: str, former: str) -> list[str]:
    """The keys that read the backup, this environment's first; BackupError if none of them does."""
    found = {fingerprint(key): key for key in (newest(own), *former.split(",")) if key}
    wanted = str(backup.manifest["fernet"])
    if wanted not in found:
        raise BackupError(
            f"environment {backup.manifest['environment']} encrypted its connections with another Fernet key, "
            "and it was not given: --fernet-key-of ENVIRONMENT"
        )
    return list(dict.fromkeys([newest(own), found[wanted]]))


def check_readable(connection: Any, fernet_keys: Iterable[str]) -> None:
    """BackupError if a row that is said to be encrypted cannot be decrypted: nothing is lost silently."""
    from cryptography.fernet import Fernet, InvalidToken, MultiFernet

    fernet = MultiFernet([Fernet(key) for key in fernet_keys])
    with connection.cursor() as cursor:
        for table, column, flag in ENCRYPTED:
            cursor.execute(
                f"select id, {column} from {table} where {flag} and coalesce({column}, '') != ''"
            )
            for identifier, value in cursor.fetchall():
                try:
                    fernet.decrypt(value.encode())
                except InvalidToken:
                    raise BackupError(
                        f"{table} {identifier}: {column} is encrypted with a key that is not known"
                    ) from None


def encrypt_anew(fernet_keys: list[str]) -> None:
    """What `airflow rotate-fernet-key` does, with this environment's key in front."""
    os.environ[FERNET_KEY] = ",".join(fernet_keys)
    subprocess.run(["airflow", "rotate-fernet-key"], check=True)


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
    """Loads the backup and commits it, if all of it can be read. The rows, and the keys that read it.

    `verify` is called before what is there is dropped because its schema is another.
    """
    fernet_keys = keys(backup, own, former)
    check_known(backup)
    if len(fernet_keys) > 1 and not _migrates():
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
    check_readable(connection, fernet_keys)
    connection.commit()
    return rows, fernet_keys


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
        if code := prepare_database.main():
            return code
        if len(fernet_keys) > 1:
            encrypt_anew(fernet_keys)
    manifest = {key: backup.manifest[key] for key in ("environment", "airflow", "made")}
    done = {**manifest, "rows": sum(rows.values()), "tables": rows}
    sys.stdout.write(json.dumps(done) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Wait until the database has exactly the schema that this image needs; then exit 0.

The init container of every Airflow pod. It does what `airflow db check-migrations` does
without loading Airflow: a database driver and one query, 0.1 s instead of some seconds, in
four pods at once on a small machine. Prints a line whenever what it waits for changes.
"""

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

SCHEMA_FILE = Path(os.environ.get("AIRFLOW_HOME", "/opt/airflow"), "schema.json")
CONNECTION = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
INTERVAL = 0.25
"""Seconds. A query of one row; the pods behind it start that much earlier."""


def libpq_url(url: str) -> str:
    """SQLAlchemy names the driver in the scheme; libpq does not know that form."""
    return re.sub(r"^postgres(?:ql)?\+\w+://", "postgresql://", url)


def connect(seconds: int = 10) -> Any:
    """A connection to the metadata database, as the user that owns it."""
    import psycopg2

    return psycopg2.connect(libpq_url(os.environ[CONNECTION]), connect_timeout=seconds)


def missing(needed: dict[str, list[str]], found: dict[str, list[str]]) -> str:
    """What still differs, or nothing."""
    differences = [
        f"{table} is at {', '.join(found.get(table) or ['nothing'])}, needs {', '.join(heads)}"
        for table, heads in needed.items()
        if sorted(found.get(table, [])) != heads
    ]
    return "; ".join(differences)


def read_revisions(connection: Any, tables: list[str]) -> dict[str, list[str]]:
    """The revisions that the database says it has; a table that is not there has none."""
    found: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute("select to_regclass(%s)", (table,))
            if cursor.fetchone()[0] is not None:
                cursor.execute(f'select version_num from "{table}"')
                found[table] = [row[0] for row in cursor.fetchall()]
    return found


def look(url: str, needed: dict[str, list[str]]) -> str:
    """One look: why the database is not ready, or nothing."""
    import psycopg2

    try:
        connection = psycopg2.connect(url, connect_timeout=3)
    except psycopg2.OperationalError as error:
        # libpq's text names host, user and reason, never the password.
        return f"no connection: {' '.join(str(error).split())}"
    try:
        connection.autocommit = True
        return missing(needed, read_revisions(connection, list(needed)))
    except psycopg2.Error as error:
        return f"no answer: {' '.join(str(error).split())}"
    finally:
        connection.close()


def await_database(seconds: float = 120.0) -> None:
    """Waits until the database answers; SystemExit if it does not.

    A Job and its database may start together, and a network lets a new pod through a moment after its start.
    """
    url = libpq_url(os.environ[CONNECTION])
    end = time.monotonic() + seconds
    while (reason := look(url, {})) and time.monotonic() < end:
        time.sleep(INTERVAL)
    if reason:
        raise SystemExit(f"the database does not answer: {reason}")


def main(arguments: list[str]) -> int:
    """`wait_for_schema.py SECONDS`."""
    needed = json.loads(SCHEMA_FILE.read_text())
    url = libpq_url(os.environ[CONNECTION])
    end = time.monotonic() + float(arguments[0])
    said = ""
    while reason := look(url, needed):
        if reason != said:
            sys.stdout.write(f"waiting for the database schema: {reason}\n")
            sys.stdout.flush()
            said = reason
        if time.monotonic() > end:
            sys.stderr.write(f"the database schema did not get ready in {arguments[0]} s\n")
            return 1
        time.sleep(INTERVAL)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

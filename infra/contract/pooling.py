"""PgBouncer between Airflow and PostgreSQL: what it is called, where it listens, whom it knows."""

from collections.abc import Mapping
from typing import Final

PGBOUNCER: Final = "pgbouncer"
"""The folder of its image, the value of its component label, and the chart's group of values."""

SERVICE: Final = "airflow-pgbouncer"
"""The Service that charts/airflow makes for it, in Airflow's own namespace."""

PORT: Final = 6432


def userlist(passwords: Mapping[str, str]) -> str:
    """PgBouncer's list of users: it checks clients by it, and logs in to the server as they do."""
    return "".join(f"{_quoted(name)} {_quoted(word)}\n" for name, word in passwords.items())


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'

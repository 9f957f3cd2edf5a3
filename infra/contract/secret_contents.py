"""What Airflow's Secrets hold, by the keys that `charts/airflow` asks for, wherever its pods or containers run.

The values may be text, or what the program knows only while it runs: addresses of servers.
"""

from collections.abc import Mapping
from typing import Final, TypeVar
from urllib.parse import quote

from infra.contract import database_logins, grafana, logs, metrics, token_keys
from infra.contract.database_logins import Logins
from infra.contract.naming import Names
from infra.contract.secret_settings import Secrets
from infra.contract.settings import Settings

T = TypeVar("T")

SECRET_NAMES: Final[Mapping[str, str]] = {
    "fernet": "airflow-fernet",
    "jwt": "airflow-jwt",
    "api": "airflow-api",
    "database": "airflow-database",
    "admin": "airflow-admin",
    "celery": "airflow-celery",
    "celeryLogins": "airflow-celery-logins",
    "pgbouncer": "airflow-pgbouncer",
    "logins": "airflow-logins",
    "declared": "airflow-declared",
    "access": "airflow-access",
    "git": "airflow-git",
    "monitor": "airflow-monitor",
    "taskLogs": "airflow-task-logs",
    "oidc": "airflow-oidc",
}
"""The chart gets these names and never a secret: what makes none can lose none."""

KEPT_IN: Final[Mapping[str, tuple[str, ...]]] = {
    "fernetKey": (SECRET_NAMES["fernet"],),
    "jwtSecret": (SECRET_NAMES["jwt"],),
    token_keys.ACCEPTED: (SECRET_NAMES["jwt"],),
    "apiSecretKey": (SECRET_NAMES["api"],),
    "databasePassword": (SECRET_NAMES["database"], SECRET_NAMES["pgbouncer"]),
    database_logins.SETTING: (SECRET_NAMES["logins"],),
    "adminPassword": (SECRET_NAMES["admin"],),
    "celeryPassword": (SECRET_NAMES["celery"], SECRET_NAMES["celeryLogins"]),
    database_logins.CELERY_SETTING: (SECRET_NAMES["celeryLogins"],),
    "gitToken": (SECRET_NAMES["git"],),
    "gitKey": (SECRET_NAMES["git"],),
    "oidcClientSecret": (SECRET_NAMES["oidc"],),
    "metricsAdminPassword": (metrics.SECRET,),
    "metricsWriterPassword": (metrics.SECRET,),
    "metricsReaderPassword": (metrics.SECRET,),
    "metricsDatabasePassword": (
        SECRET_NAMES["monitor"],
        metrics.MONITOR_SECRET,
        SECRET_NAMES["pgbouncer"],
    ),
    "influxdbPassword": (metrics.SECRET,),
    "grafanaAdminPassword": (grafana.SECRET,),
    "alertSlackUrl": (grafana.CONTACTS_SECRET,),
    "alertWebhookUrl": (grafana.CONTACTS_SECRET,),
    "alertWebhookToken": (grafana.CONTACTS_SECRET,),
    "smtpPassword": (grafana.CONTACTS_SECRET,),
    "logsWriterPassword": (logs.SECRET,),
    "logsReaderPassword": (logs.SECRET, SECRET_NAMES["taskLogs"]),
}
"""The Secrets that hold a secret of the configuration."""

FERNET_ENTRY: Final = "fernet-key"

POSTGRES_PORT: Final = 5432
REDIS_PORT: Final = 6379

NAMES: Final = frozenset(
    {
        "username",
        "email",
        "database",
        "results-database",
        database_logins.SECOND_NAME_ENTRY,
        database_logins.OWNER_ENTRY,
    }
)
"""Keys of Secrets whose values are names, and no secrets."""


def sqlalchemy_url(
    host: str,
    name: str,
    password: str,
    *,
    user: str = "",
    tls: bool = False,
    port: int = POSTGRES_PORT,
) -> str:
    """A database, whose user has its name unless said otherwise, as SQLAlchemy wants it; a password may hold any character."""
    login = f"{user or name}:{quote(password, safe='')}"
    options = "?sslmode=require" if tls else ""
    return f"postgresql+psycopg2://{login}@{host}:{port}/{name}{options}"


def async_url(url: str) -> str:
    """The same database for Airflow's asynchronous engine.

    Airflow would only exchange the driver; asyncpg calls the option of TLS `ssl`, and refuses psycopg2's name.
    """
    return url.replace("+psycopg2:", "+asyncpg:", 1).replace("?sslmode=", "?ssl=")


def airflow_secrets(
    settings: Settings, secrets: Secrets, names: Names, connection: T, async_connection: T
) -> dict[str, Mapping[str, str | T]]:
    """Those that every executor needs; the connections lead to Airflow's database."""
    return {
        "fernet": {FERNET_ENTRY: secrets.fernet_key},
        "jwt": _token_keys(secrets),
        "api": {"api-secret-key": secrets.api_secret_key},
        "database": {
            "connection": connection,
            "async-connection": async_connection,
            "username": names.database,
            "password": secrets.database_password,
            "database": names.database,
        },
        "admin": {
            "username": settings.admin_user,
            "password": secrets.admin_password,
            "email": settings.admin_email,
        },
    }


def logins(secrets: Secrets) -> Logins:
    """Who may log in to the database."""
    return database_logins.of(secrets.database_password, secrets.database_logins)


def database_user(secrets: Secrets, names: Names) -> str:
    """By whom Airflow logs in to its database."""
    return _user(logins(secrets), secrets.database_password, names.database, names.second_user)


def database_users(secrets: Secrets, names: Names) -> dict[str, str]:
    """All that may log in to it for Airflow, with their passwords."""
    return _users(logins(secrets), names.database, names.second_user)


def logins_secret(secrets: Secrets, names: Names) -> dict[str, str]:
    """That of a server of the environment's own, which makes its users after it."""
    return _entries(logins(secrets), names.second_user)


def rds_logins_secret(secrets: Secrets, names: Names) -> dict[str, str]:
    """That of a server on RDS: the first user's password is the one that RDS is given, and neither of the two owns anything."""
    return {
        **logins_secret(secrets, names),
        database_logins.PASSWORD_ENTRY: logins(secrets).of_rds,
        database_logins.OWNER_ENTRY: names.database_owner,
    }


def celery_logins(secrets: Secrets) -> Logins:
    """Whose passwords Celery's queue takes, and who may log in to its results."""
    return database_logins.of(secrets.celery_password, secrets.celery_logins)


def results_user(secrets: Secrets, names: Names) -> str:
    """By whom the scheduler and the workers log in to the results of Celery's tasks."""
    return _user(
        celery_logins(secrets),
        secrets.celery_password,
        names.results_database,
        names.second_results_user,
    )


def results_users(secrets: Secrets, names: Names) -> dict[str, str]:
    """All that may log in to them, with their passwords."""
    return _users(celery_logins(secrets), names.results_database, names.second_results_user)


def celery_logins_secret(secrets: Secrets, names: Names) -> dict[str, str]:
    """What the queue's server reads at its start, and whoever makes the users of the results."""
    return _entries(celery_logins(secrets), names.second_results_user)


def _user(found: Logins, password: str, first: str, second: str) -> str:
    """Which of the two users has this password."""
    return second if found.second == password else first


def _users(found: Logins, first: str, second: str) -> dict[str, str]:
    """Those of the two that may log in, with their passwords."""
    users = {first: found.first, second: found.second}
    return {name: password for name, password in users.items() if password}


def _entries(found: Logins, second: str) -> dict[str, str]:
    """A Secret with both passwords, and the second user's name."""
    return {
        database_logins.PASSWORD_ENTRY: found.first,
        database_logins.SECOND_NAME_ENTRY: second,
        database_logins.SECOND_ENTRY: found.second,
    }


def _token_keys(secrets: Secrets) -> dict[str, str]:
    """The key that signs tokens, and those whose tokens are accepted while it is replaced."""
    found = {
        token_keys.KEY_ENTRY: secrets.jwt_secret,
        token_keys.ID_ENTRY: token_keys.key_id(secrets.jwt_secret),
    }
    if accepted := token_keys.split(secrets.accepted_jwt_secrets):
        found[token_keys.SET_ENTRY] = token_keys.key_set(accepted)
    return found


def celery_secret(
    secrets: Secrets, names: Names, redis_host: str, result_backend: T
) -> Mapping[str, str | T]:
    """That of an executor with Redis; `result_backend` is as Celery wants it."""
    password = secrets.celery_password
    return {
        "broker-url": f"redis://:{quote(password, safe='')}@{redis_host}:{REDIS_PORT}/0",
        "redis-password": password,
        "result-backend": result_backend,
        "results-database": names.results_database,
        "results-password": password,
    }


def result_backend(url: str) -> str:
    """A database's address as Celery wants it."""
    return f"db+{url}"

"""The users by whom Airflow logs in to its PostgreSQL in the cluster: what Airflow's chart is told of them.

PostgreSQL's pod makes them at its start, and the migration Job of each deployment brings them to what is configured. RDS has
one user, and those of a branch are made with its database.
"""

from collections.abc import Mapping

from infra.contract import secret_contents
from infra.contract.tenancy import Tenancy
from infra.stack import Stack


def logins_secret(stack: Stack) -> Mapping[str, str]:
    """The content of the chart's Secret `logins`; nothing where the server is not the environment's own in the cluster."""
    if not _has_server(stack):
        return {}
    return secret_contents.logins_secret(stack.secrets, stack.names)


def server_checksum(stack: Stack) -> dict[str, str]:
    """What replaces PostgreSQL's pod: a password that is set by hand, and no rotation."""
    if not _has_server(stack):
        return {}
    mark = secret_contents.logins(stack.secrets).mark
    return {"databaseServer": stack.checksum({"mark": mark})}


def _has_server(stack: Stack) -> bool:
    settings = stack.settings
    return settings.tenancy == Tenancy.dedicated and settings.database != "rds"

"""The users by whom Airflow logs in to a PostgreSQL of its own: what Airflow's chart is told of them.

PostgreSQL's pod makes them at its start, and the migration Job of each deployment brings them to what is configured. On RDS
that Job makes the second, and the first's password is the instance's. Those of a branch are made with its database, and so are those in an instance that was there already.
"""

from collections.abc import Mapping

from infra.contract import secret_contents
from infra.contract.tenancy import Tenancy
from infra.stack import Stack


def logins_secret(stack: Stack) -> Mapping[str, str]:
    """The content of the chart's Secret `logins`; nothing where the server is another environment's, or was there before."""
    if stack.settings.tenancy != Tenancy.dedicated or stack.place.server:
        return {}
    if _on_rds(stack):
        return secret_contents.rds_logins_secret(stack.secrets, stack.names)
    return secret_contents.logins_secret(stack.secrets, stack.names)


def server_checksum(stack: Stack) -> dict[str, str]:
    """What replaces PostgreSQL's pod: a password that is set by hand, and no rotation."""
    if stack.settings.tenancy != Tenancy.dedicated or _on_rds(stack):
        return {}
    mark = secret_contents.logins(stack.secrets).mark
    return {"databaseServer": stack.checksum({"mark": mark})}


def _on_rds(stack: Stack) -> bool:
    return stack.settings.database == "rds"

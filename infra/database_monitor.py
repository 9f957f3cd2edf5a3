"""The user by whom Telegraf reads the figures of Airflow's PostgreSQL: what Airflow's chart and the monitoring's are told of it.

The migration Job makes it in the server, be that in the cluster or on RDS, and drops it where there are no metrics. A
branch has none: its database is in its base's server.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pulumi

from infra.address import Address
from infra.contract import metrics, pooling
from infra.contract.metrics import MonitoringScope
from infra.contract.naming import AIRFLOW
from infra.contract.tenancy import Tenancy
from infra.stack import Stack


def monitor_secret(stack: Stack) -> Mapping[str, str]:
    """The content of Airflow's Secret `monitor`; nothing where there is no such user."""
    settings = stack.settings
    if settings.tenancy == Tenancy.shared or not MonitoringScope(settings.monitoring).with_metrics:
        return {}
    return {"password": stack.secrets.metrics_database_password}


def monitor_values(stack: Stack) -> dict[str, Any]:
    """The value of charts/airflow for an environment with a server of its own, also if nobody asks that."""
    return {"databaseMonitor": {"role": stack.names.monitor_user, "namespace": metrics.NAMESPACE}}


def monitor_address(stack: Stack, server: Address) -> pulumi.Output[str]:
    """Where Telegraf finds the server, as libpq wants it; by way of Airflow's database, the only one that lets it in."""
    return pulumi.Output.all(server.host, server.tls).apply(
        lambda known: (
            f"postgres://{_login(stack)}@{known[0]}:{server.port}/{stack.names.database}"
            f"?sslmode={'require' if known[1] else 'prefer'}"
        )
    )


def pooler_address(stack: Stack) -> Mapping[str, str]:
    """Where Telegraf finds the console of PgBouncer, by the key of `MONITOR_SECRET`; nothing where there is none."""
    if not stack.settings.pgbouncer:
        return {}
    host = f"{pooling.SERVICE}.{AIRFLOW}.svc.cluster.local:{pooling.PORT}"
    return {metrics.POOLER_ADDRESS: f"postgres://{_login(stack)}@{host}/pgbouncer?sslmode=disable"}


def _login(stack: Stack) -> str:
    user = stack.names.monitor_user
    return f"{user}:{quote(stack.secrets.metrics_database_password, safe='')}"

"""PgBouncer between Airflow and PostgreSQL, as a part of charts/airflow: its Secret, and what the chart must be told.

The Secret is apart from the database's, because PostgreSQL and what goes straight to it read that one: they are not
started again when PgBouncer comes or goes.
"""

from collections.abc import Mapping
from typing import Any

import pulumi

from infra.address import Address, sqlalchemy_url
from infra.contract import pooling, secret_contents
from infra.contract.pooling import PGBOUNCER
from infra.database_monitor import monitor_secret
from infra.image import Image, ImageArgs
from infra.registry import Repository
from infra.stack import Stack

POOLED = Address(pooling.SERVICE, tls=False, port=pooling.PORT)
"""In the cluster the traffic does not leave the network of the pods."""


def pooled(stack: Stack, server: Address) -> Address:
    """Where Airflow's processes find the database that is on `server`."""
    return POOLED if stack.settings.pgbouncer else server


def pgbouncer_secret(stack: Stack) -> Mapping[str, pulumi.Input[str]]:
    """The content of the chart's Secret `pgbouncer`; nothing where there is none."""
    if not stack.settings.pgbouncer:
        return {}
    names, secrets = stack.names, stack.secrets
    passwords = secret_contents.database_users(secrets, names)
    if stack.executor.needs_redis:
        passwords |= secret_contents.results_users(secrets, names)
    if monitor := monitor_secret(stack):
        passwords[names.monitor_user] = monitor["password"]
    return {
        "connection": sqlalchemy_url(
            POOLED,
            names.database,
            secrets.database_password,
            secret_contents.database_user(secrets, names),
        ),
        "users": pooling.userlist(passwords),
    }


def pgbouncer_checksums(
    stack: Stack, content: Mapping[str, pulumi.Input[str]]
) -> dict[str, pulumi.Output[str]]:
    """What replaces Airflow's pods: where they log in. And PgBouncer's own: another user for figures, and a password that
    is set by hand; no rotation of Airflow's or Celery's, which tells the PgBouncers that are there of another list."""
    connection = pulumi.Output.from_input(content["connection"])
    mark = secret_contents.logins(stack.secrets).mark
    celery = secret_contents.celery_logins(stack.secrets)
    queue = celery.mark if stack.executor.needs_redis else ""
    figures = monitor_secret(stack).get("password", "")
    return {
        "pgbouncer": connection.apply(lambda text: stack.checksum({"connection": text})),
        "pgbouncerUsers": pulumi.Output.from_input(
            stack.checksum({"mark": mark, "results": queue, "figures": figures})
        ),
    }


def pgbouncer_values(stack: Stack, repository: Repository, server: Address) -> dict[str, Any]:
    """The chart's values, and the image that they name; nothing where there is none."""
    if not stack.settings.pgbouncer:
        return {}
    image = Image(PGBOUNCER, ImageArgs(stack, PGBOUNCER, repository))
    return {
        "pgbouncer": {
            "enabled": True,
            "image": image.values,
            "server": {
                "host": server.host,
                "port": server.port,
                "sslmode": pulumi.Output.from_input(server.tls).apply(
                    lambda tls: "require" if tls else "prefer"
                ),
            },
        }
    }

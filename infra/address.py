"""Where PostgreSQL is: what Airflow needs to know of a database, whoever runs it."""

from dataclasses import dataclass

import pulumi

from infra.contract import secret_contents
from infra.stack import Stack

PORT = secret_contents.POSTGRES_PORT

IN_CLUSTER_SERVICE = "airflow-database"
"""The Service that charts/airflow makes for its PostgreSQL."""


@dataclass(frozen=True)
class Address:
    """Where a database server is, and whether it offers TLS: in the cluster the traffic does not leave the
    network of the pods."""

    host: pulumi.Input[str]
    tls: pulumi.Input[bool]
    port: int = PORT


def sqlalchemy_url(server: Address, name: str, password: str, user: str = "") -> pulumi.Output[str]:
    """A database on `server`, as SQLAlchemy wants it; its user has its name unless said otherwise."""
    return pulumi.Output.all(server.host, server.tls).apply(
        lambda known: secret_contents.sqlalchemy_url(
            known[0], name, password, user=user, tls=known[1], port=server.port
        )
    )


def in_cluster(stack: Stack) -> Address:
    """The PostgreSQL that charts/airflow makes, as any namespace finds it."""
    return Address(stack.names.service_host(IN_CLUSTER_SERVICE), tls=False)

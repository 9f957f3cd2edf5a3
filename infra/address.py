"""Where PostgreSQL is: what Airflow needs to know of a database, whoever runs it."""

from dataclasses import dataclass
from urllib.parse import quote

import pulumi

from infra.stack import Stack

PORT = 5432

IN_CLUSTER_SERVICE = "airflow-database"
"""The Service that charts/airflow makes for its PostgreSQL."""


@dataclass(frozen=True)
class Address:
    """Where a database server is, and whether it offers TLS: in the cluster the traffic does not leave the
    network of the pods."""

    host: pulumi.Input[str]
    tls: pulumi.Input[bool]


def sqlalchemy_url(server: Address, name: str, password: str) -> pulumi.Output[str]:
    """A database whose user has its name, as SQLAlchemy wants it; a password may hold any character."""
    options = pulumi.Output.from_input(server.tls).apply(
        lambda tls: "?sslmode=require" if tls else ""
    )
    login = f"{name}:{quote(password, safe='')}"
    return pulumi.Output.concat(
        f"postgresql+psycopg2://{login}@", server.host, f":{PORT}/{name}", options
    )


def in_cluster(stack: Stack) -> Address:
    """The PostgreSQL that charts/airflow makes, as any namespace finds it."""
    return Address(stack.names.service_host(IN_CLUSTER_SERVICE), tls=False)

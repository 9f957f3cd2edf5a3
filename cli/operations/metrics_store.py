"""The InfluxDB in a cluster's namespace of monitoring, reached through a forwarded port as one of its users."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager

from cli.base.errors import KitError
from cli.base.influxdb import InfluxDB
from cli.cloud.kubernetes import Kubernetes
from infra.contract import metrics


def exists(cluster: Kubernetes) -> bool:
    """Whether there is one."""
    return cluster.find("secret", metrics.SECRET) is not None


@contextmanager
def connection(cluster: Kubernetes, user: str = metrics.READER) -> Iterator[InfluxDB]:
    """The server as this user while the block lasts. KitError if there is none."""
    secret = cluster.find("secret", metrics.SECRET)
    if secret is None:
        raise KitError(f"The namespace {metrics.NAMESPACE} has no Secret {metrics.SECRET}")
    password = base64.b64decode(secret["data"][user]).decode()
    target = f"service/{metrics.INFLUXDB_SERVICE}"
    with (
        cluster.kubectl.forwarded(target, metrics.INFLUXDB_PORT) as port,
        InfluxDB(f"http://127.0.0.1:{port}", metrics.DATABASE, user, password) as influxdb,
    ):
        yield influxdb

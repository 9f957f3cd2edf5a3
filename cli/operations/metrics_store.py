"""The InfluxDB in a cluster's namespace of monitoring, reached through a forwarded port as one of its users."""

import base64
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from cli.base.errors import KitError
from cli.base.influxdb import InfluxDB
from cli.cloud.kubernetes import Kubernetes
from infra.contract import metrics


def exists(cluster: Kubernetes) -> bool:
    """Whether there is one."""
    return cluster.find("secret", metrics.SECRET) is not None


def forwarded(cluster: Kubernetes) -> AbstractContextManager[int]:
    """A port of this machine that leads to it while the block lasts."""
    return cluster.kubectl.forwarded(f"service/{metrics.INFLUXDB_SERVICE}", metrics.INFLUXDB_PORT)


@contextmanager
def connection(cluster: Kubernetes, user: str = metrics.READER) -> Iterator[InfluxDB]:
    """The server as this user while the block lasts. KitError if there is none."""
    secret = cluster.find("secret", metrics.SECRET)
    if secret is None:
        raise KitError(f"The namespace {metrics.NAMESPACE} has no Secret {metrics.SECRET}")
    password = base64.b64decode(secret["data"][user]).decode()
    with (
        forwarded(cluster) as port,
        InfluxDB(f"http://127.0.0.1:{port}", metrics.DATABASE, user, password) as influxdb,
    ):
        yield influxdb

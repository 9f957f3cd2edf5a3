"""The InfluxDB of an environment, as one of its users: in its cluster through a forwarded port, or another's by its address."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cli.base.errors import KitError
from cli.base.influxdb import InfluxDB
from cli.cloud.kubernetes import Kubernetes
from infra.contract import metrics


@dataclass(frozen=True)
class MetricsStore:
    """What the cluster's namespace of monitoring says of it."""

    content: dict[str, str]
    """That of the Secret."""

    @property
    def url(self) -> str:
        """The address of another's; empty for one in the cluster."""
        return self.content.get(metrics.ADDRESS_KEY, "")

    @property
    def database(self) -> str:
        return self.content.get(metrics.DATABASE_KEY, metrics.DATABASE)

    def login(self, user: str) -> tuple[str, str]:
        """Name and password of one of `metrics.USERS`."""
        return self.content.get(metrics.USER_KEY, user), self.content[user]


def find(cluster: Kubernetes) -> MetricsStore | None:
    """None where there are no metrics."""
    secret = cluster.find("secret", metrics.SECRET)
    if secret is None:
        return None
    return MetricsStore(
        {key: base64.b64decode(word).decode() for key, word in secret["data"].items()}
    )


def exists(cluster: Kubernetes) -> bool:
    """Whether there is one."""
    return find(cluster) is not None


@contextmanager
def address(cluster: Kubernetes, store: MetricsStore, host: str = "127.0.0.1") -> Iterator[str]:
    """Where it is reached from this machine while the block lasts."""
    if store.url:
        yield store.url
        return
    target = f"service/{metrics.INFLUXDB_SERVICE}"
    with cluster.kubectl.forwarded(target, metrics.INFLUXDB_PORT) as port:
        yield f"http://{host}:{port}"


@contextmanager
def connection(cluster: Kubernetes, user: str = metrics.READER) -> Iterator[InfluxDB]:
    """The server as this user while the block lasts. KitError if there is none."""
    store = find(cluster)
    if store is None:
        raise KitError(f"The namespace {metrics.NAMESPACE} has no Secret {metrics.SECRET}")
    name, password = store.login(user)
    with (
        address(cluster, store) as url,
        InfluxDB(url, store.database, name, password) as influxdb,
    ):
        yield influxdb

"""How the parts of an environment's monitoring are reached from this machine: its own, or its base's, by a forwarded port."""

from collections.abc import Iterator
from contextlib import contextmanager

from cli.base.errors import UserError
from cli.base.settings import qualified
from cli.cloud.kubernetes import Kubernetes
from cli.operations import metrics_store
from cli.operations.live import Live
from infra.contract import grafana, logs, metrics


def owner_of(found: Live) -> str:
    """The environment whose monitoring it is."""
    return found.outputs.base or found.environment.name


def require_metrics(found: Live) -> Kubernetes:
    """The namespace of monitoring in its cluster. UserError if there are no metrics."""
    cluster = found.cloud.kubernetes(metrics.NAMESPACE, found.outputs)
    if not metrics_store.exists(cluster):
        name = owner_of(found)
        raise UserError(
            f'"{found.environment.name}" has no metrics',
            f'The setting monitoring of "{name}" is none, or it was set after the last `up`.',
            f"./aerodrome config set monitoring metrics --env {name}",
        )
    return cluster


@contextmanager
def influxdb(found: Live) -> Iterator[str]:
    """An address of its InfluxDB that works while the block lasts. UserError if it has none."""
    cluster = require_metrics(found)
    store = metrics_store.find(cluster)
    assert store is not None
    with metrics_store.address(cluster, store, "localhost") as url:
        yield url


def influxdb_login(found: Live) -> tuple[str, str]:
    """Who reads there, and the setting with the password."""
    store = metrics_store.find(found.cloud.kubernetes(metrics.NAMESPACE, found.outputs))
    if store is not None and store.url:
        return store.login(metrics.READER)[0], "influxdbPassword"
    return metrics.READER, "metricsReaderPassword"


@contextmanager
def grafana_ui(found: Live) -> Iterator[str]:
    """An address of its Grafana that works while the block lasts. UserError if it has none."""
    cluster = require_metrics(found)
    if cluster.find("service", grafana.SERVICE) is None:
        name = owner_of(found)
        refusal = found.cloud.refusal("grafana", "true")
        raise UserError(
            f'"{found.environment.name}" has no Grafana',
            refusal
            or f'The setting grafana of "{name}" is false, or it was set after the last `up`.',
            f"./aerodrome metrics{found.session.same}"
            if refusal
            else f"./aerodrome config set grafana true --env {name}",
        )
    with cluster.kubectl.forwarded(f"service/{grafana.SERVICE}", grafana.PORT) as local:
        yield f"http://localhost:{local}"


@contextmanager
def kibana_ui(found: Live) -> Iterator[str]:
    """Where the Kibana of the setting `kibanaUrl` shows its lines. UserError if none is set."""
    url = found.backend.plain().get(qualified("kibanaUrl"), "")
    if not url:
        raise UserError(
            f'"{found.environment.name}" has no Kibana',
            "None is deployed with it, and the setting kibanaUrl does not say where yours is (docs/logs.md).",
            f"./aerodrome config set kibanaUrl https://KIBANA{found.session.same}",
        )
    yield logs.link_to_environment(url, found.environment.name)

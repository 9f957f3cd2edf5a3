"""Monitoring of an environment and of its branches: a namespace, the Secret of InfluxDB's users, and charts/monitoring.

A branch has none of its own: it sends its metrics to its base's, which `statsd_values` names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra.cluster import STORAGE_CLASS, Cluster
from infra.content import PROJECT_ROOT, content_hash
from infra.contract import metrics
from infra.contract.metrics import INFLUXDB, TELEGRAF, MonitoringScope
from infra.contract.naming import LABEL_BASE, LABEL_ENVIRONMENT
from infra.contract.settings import Settings
from infra.contract.sizes import INFLUXDB_DISK_GB, TELEGRAF_DISK_GB
from infra.image import Image, ImageArgs
from infra.isolation import NAMESPACE_LABELS
from infra.registry import Registry, Repository
from infra.stack import Stack

TIMEOUT_SECONDS = 600
"""Room for new nodes and the first image pull."""


def statsd_values(host: pulumi.Input[str]) -> dict[str, Any]:
    """The value `metrics` of charts/airflow; an empty host sends none."""
    enabled = pulumi.Output.from_input(host).apply(bool)
    return {"metrics": {"enabled": enabled, "host": host, "port": metrics.STATSD_PORT}}


@dataclass(frozen=True)
class MonitoringArgs:
    """Where it runs, and where its images go."""

    stack: Stack
    provider: kubernetes.Provider
    repositories: Mapping[str, Repository]
    after: Sequence[pulumi.Resource] = ()
    """What must be there before its volumes, and must not go before them."""


class Monitoring(pulumi.ComponentResource):
    """Telegraf and InfluxDB."""

    values: dict[str, Any]
    """What Airflow's chart must be told."""

    release: kubernetes.helm.v3.Release
    """Once it is there, Telegraf has an address: a process that does not find one asks again only after a while."""

    def __init__(
        self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:Monitoring", name, {}, opts)
        stack = args.stack
        child = pulumi.ResourceOptions(parent=self, provider=args.provider)
        namespace = kubernetes.core.v1.Namespace(
            stack.names.of("monitoring"),
            metadata={
                "name": metrics.NAMESPACE,
                "labels": {**stack.labels, **NAMESPACE_LABELS},
            },
            opts=child,
        )
        passwords = {
            metrics.ADMIN: stack.secrets.metrics_admin_password,
            metrics.WRITER: stack.secrets.metrics_writer_password,
            metrics.READER: stack.secrets.metrics_reader_password,
        }
        secret = kubernetes.core.v1.Secret(
            stack.names.of(metrics.SECRET),
            metadata={"name": metrics.SECRET, "namespace": namespace.metadata.name},
            string_data=pulumi.Output.secret(passwords),
            opts=child,
        )
        images = {
            image: Image(image, ImageArgs(stack, image, args.repositories[image]))
            for image in (INFLUXDB, TELEGRAF)
        }
        self.release = kubernetes.helm.v3.Release(
            stack.names.of(metrics.RELEASE),
            name=metrics.RELEASE,
            namespace=namespace.metadata.name,
            chart="../charts/monitoring",
            # As in airflow.py: a change of the chart's files is a change of the release.
            description=f"charts/monitoring {content_hash(PROJECT_ROOT / 'charts' / 'monitoring')}",
            values=_values(stack, images, stack.checksum(passwords)),
            timeout=TIMEOUT_SECONDS,
            atomic=False,
            cleanup_on_fail=True,
            opts=pulumi.ResourceOptions(
                parent=self, provider=args.provider, depends_on=[secret, *args.after]
            ),
        )
        self.values = statsd_values(metrics.STATSD_HOST)
        self.register_outputs({})


def monitoring_images(settings: Settings) -> tuple[str, ...]:
    """Those that the environment builds for it."""
    return (INFLUXDB, TELEGRAF) if settings.monitoring != MonitoringScope.none else ()


def deploy_monitoring(stack: Stack, cluster: Cluster, registry: Registry) -> Monitoring | None:
    """What the setting asks for."""
    if not monitoring_images(stack.settings):
        return None
    args = MonitoringArgs(
        stack, cluster.provider, registry.repositories, after=[cluster.storage_class]
    )
    return Monitoring("monitoring", args)


def _values(stack: Stack, images: Mapping[str, Image], checksum: str) -> dict[str, Any]:
    """The chart's values: its values.schema.json is the contract."""
    environment = stack.settings.environment
    return {
        "secret": metrics.SECRET,
        "secretChecksum": checksum,
        "admittedNamespaces": {LABEL_ENVIRONMENT: environment, LABEL_BASE: environment},
        INFLUXDB: {
            "image": images[INFLUXDB].values,
            "storage": {
                "size": f"{INFLUXDB_DISK_GB}Gi",
                "storageClass": STORAGE_CLASS,
            },
        },
        TELEGRAF: {
            "image": images[TELEGRAF].values,
            "storage": {"size": f"{TELEGRAF_DISK_GB}Gi", "storageClass": STORAGE_CLASS},
        },
    }

"""Monitoring of an environment and of its branches: namespaces, the Secrets of its users, and charts/monitoring.

A branch has none of its own: it sends its metrics to its base's, which `statsd_values` names, and the shipper of its
base's nodes finds its logs. What belongs to metrics and what to logs is in a function for each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra.address import Address
from infra.alert_contacts import contact_secret, contact_values
from infra.cluster import KubernetesCluster
from infra.content import PROJECT_ROOT, content_hash
from infra.contract import grafana, logs, metrics, public_images
from infra.contract.metrics import MonitoringScope
from infra.contract.naming import AIRFLOW, LABEL_BASE, LABEL_ENVIRONMENT
from infra.contract.settings import Settings
from infra.contract.sizes import ELASTICSEARCH_DISK_GB, INFLUXDB_DISK_GB, TELEGRAF_DISK_GB
from infra.database_monitor import monitor_address, pooler_address
from infra.image import Image, ImageArgs
from infra.isolation import NAMESPACE_LABELS
from infra.registry import Registry, Repository
from infra.stack import Stack

TIMEOUT_SECONDS = 600
"""Room for new nodes and the first image pull."""

NODE_ACCESS_LABELS = {
    "pod-security.kubernetes.io/enforce": "privileged",
    "pod-security.kubernetes.io/enforce-version": "latest",
}
"""A lesser level admits no folder of the node, not even to read. Nothing but the shipper is there."""


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
    database: Address
    """The server whose figures are measured."""
    after: Sequence[pulumi.Resource] = ()
    """What must be there before its volumes, and must not go before them."""


class Monitoring(pulumi.ComponentResource):
    """Telegraf, InfluxDB and Grafana, the shipper and Elasticsearch: as the settings ask."""

    values: dict[str, Any]
    """What Airflow's chart must be told."""

    statsd_host: str
    """Where metrics are sent to; empty without."""

    logs_url: str
    """Where pods, also those of branches, find its own Elasticsearch; empty without."""

    release: kubernetes.helm.v3.Release
    """Once it is there, Telegraf has an address: a process that does not find one asks again only after a while."""

    def __init__(
        self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:Monitoring", name, {}, opts)
        self._args, stack = args, args.stack
        self._namespaces: dict[str, kubernetes.core.v1.Namespace] = {}
        scope = MonitoringScope(stack.settings.monitoring)
        self._namespace(metrics.NAMESPACE, "monitoring", NAMESPACE_LABELS)
        images = {
            image: Image(image, ImageArgs(stack, image, args.repositories[image])).values
            for image in monitoring_images(stack.settings)
        }
        environment = stack.settings.environment
        values: dict[str, Any] = {
            "admittedNamespaces": {LABEL_ENVIRONMENT: environment, LABEL_BASE: environment},
            "metrics": {"enabled": scope.with_metrics},
            "logs": {"enabled": scope.with_logs},
        }
        needed: list[pulumi.Resource] = []
        if scope.with_metrics:
            passwords = _metrics_secret(stack)
            database: dict[str, pulumi.Input[str]] = {
                metrics.MONITOR_ADDRESS: monitor_address(stack, args.database),
                **pooler_address(stack),
            }
            needed += [
                self._secret(metrics.NAMESPACE, metrics.SECRET, passwords),
                self._secret(metrics.NAMESPACE, metrics.MONITOR_SECRET, database),
            ]
            values |= _metrics_values(
                stack,
                images,
                stack.checksum(passwords),
                pulumi.Output.all(**database).apply(stack.checksum),
            )
            if stack.settings.grafana:
                needed.append(self._grafana_secret())
                if content := contact_secret(stack):
                    needed.append(self._secret(metrics.NAMESPACE, grafana.CONTACTS_SECRET, content))
                values |= _grafana_values(stack)
        if scope.with_logs:
            self._namespace(logs.SHIPPER_NAMESPACE, logs.SHIPPER_NAMESPACE, NODE_ACCESS_LABELS)
            passwords = _logs_passwords(stack)
            writer = {logs.WRITER: stack.secrets.logs_writer_password}
            needed += [
                self._secret(metrics.NAMESPACE, logs.SECRET, passwords),
                self._secret(logs.SHIPPER_NAMESPACE, logs.SECRET, writer, "writer"),
            ]
            values |= _logs_values(stack, images, stack.checksum(passwords))
        self.release = self._release(values, needed)
        self.statsd_host = metrics.STATSD_HOST if scope.with_metrics else ""
        own = scope.with_logs and not stack.settings.elasticsearch_url
        self.logs_url = logs.ELASTICSEARCH_URL if own else ""
        self.values = statsd_values(self.statsd_host) if scope.with_metrics else {}
        self.register_outputs({})

    def _namespace(self, name: str, logical: str, labels: Mapping[str, str]) -> None:
        stack = self._args.stack
        self._namespaces[name] = kubernetes.core.v1.Namespace(
            stack.names.of(logical),
            metadata={"name": name, "labels": {**stack.labels, **labels}},
            opts=pulumi.ResourceOptions(parent=self, provider=self._args.provider),
        )

    def _secret(
        self,
        namespace: str,
        name: str,
        content: Mapping[str, pulumi.Input[str]],
        part: str = "",
    ) -> kubernetes.core.v1.Secret:
        logical = f"{name}-{part}" if part else name
        return kubernetes.core.v1.Secret(
            self._args.stack.names.of(logical),
            metadata={"name": name, "namespace": self._namespaces[namespace].metadata.name},
            string_data=pulumi.Output.secret(dict(content)),
            opts=pulumi.ResourceOptions(parent=self, provider=self._args.provider),
        )

    def _grafana_secret(self) -> kubernetes.core.v1.Secret:
        password = {grafana.ADMIN: self._args.stack.secrets.grafana_admin_password}
        return self._secret(metrics.NAMESPACE, grafana.SECRET, password)

    def _release(
        self, values: Mapping[str, Any], needed: Sequence[pulumi.Resource]
    ) -> kubernetes.helm.v3.Release:
        return kubernetes.helm.v3.Release(
            self._args.stack.names.of(metrics.RELEASE),
            name=metrics.RELEASE,
            namespace=self._namespaces[metrics.NAMESPACE].metadata.name,
            chart="../charts/monitoring",
            # As in airflow.py: a change of the chart's files is a change of the release.
            description=f"charts/monitoring {content_hash(PROJECT_ROOT / 'charts' / 'monitoring')}",
            values=values,
            timeout=TIMEOUT_SECONDS,
            atomic=False,
            cleanup_on_fail=True,
            opts=pulumi.ResourceOptions(
                parent=self, provider=self._args.provider, depends_on=[*needed, *self._args.after]
            ),
        )


def monitoring_images(settings: Settings) -> tuple[str, ...]:
    """Those that the environment builds for it."""
    scope = MonitoringScope(settings.monitoring)
    return (
        *((metrics.INFLUXDB,) if scope.with_metrics and not settings.influxdb_url else ()),
        *((metrics.TELEGRAF,) if scope.with_metrics else ()),
        *((logs.ELASTICSEARCH,) if scope.with_logs and not settings.elasticsearch_url else ()),
        *((logs.SHIPPER,) if scope.with_logs else ()),
    )


def deploy_monitoring(
    stack: Stack, cluster: KubernetesCluster, registry: Registry, database: Address
) -> Monitoring | None:
    """What the setting asks for."""
    if not monitoring_images(stack.settings):
        return None
    args = MonitoringArgs(
        stack, cluster.provider, registry.repositories, database, after=[cluster.storage_class]
    )
    return Monitoring("monitoring", args)


def _metrics_secret(stack: Stack) -> dict[str, str]:
    """Its users' passwords; where InfluxDB is another's, what `aerodrome metrics` must know of it, too."""
    settings, secrets = stack.settings, stack.secrets
    if settings.influxdb_url:
        return {
            metrics.ADDRESS_KEY: settings.influxdb_url,
            metrics.DATABASE_KEY: settings.influxdb_database,
            metrics.USER_KEY: settings.influxdb_user,
            metrics.WRITER: secrets.influxdb_password,
            metrics.READER: secrets.influxdb_password,
        }
    return {
        metrics.ADMIN: secrets.metrics_admin_password,
        metrics.WRITER: secrets.metrics_writer_password,
        metrics.READER: secrets.metrics_reader_password,
    }


def _influxdb_values(stack: Stack, images: Mapping[str, Any]) -> dict[str, Any]:
    settings = stack.settings
    if settings.influxdb_url:
        return {
            "external": {
                "url": settings.influxdb_url,
                "database": settings.influxdb_database,
                "user": settings.influxdb_user,
            }
        }
    return {"image": images[metrics.INFLUXDB], "storage": _storage(stack, INFLUXDB_DISK_GB)}


def _metrics_values(
    stack: Stack,
    images: Mapping[str, Any],
    checksum: str,
    database_checksum: pulumi.Output[str],
) -> dict[str, Any]:
    """The chart's values: its values.schema.json is the contract."""
    settings = stack.settings
    return {
        "secret": metrics.SECRET,
        "secretChecksum": checksum,
        metrics.INFLUXDB: _influxdb_values(stack, images),
        metrics.TELEGRAF: {
            "image": images[metrics.TELEGRAF],
            "storage": _storage(stack, TELEGRAF_DISK_GB),
            "certificates": list(settings.certificates),
            "postgresql": {
                "secret": metrics.MONITOR_SECRET,
                "pgbouncer": settings.pgbouncer,
                "secretChecksum": database_checksum,
            },
        },
    }


def _grafana_values(stack: Stack) -> dict[str, Any]:
    settings, secrets = stack.settings, stack.secrets
    read = {
        grafana.ADMIN: secrets.grafana_admin_password,
        metrics.READER: _metrics_secret(stack)[metrics.READER],
        **contact_secret(stack),
    }
    return {
        grafana.GRAFANA: {
            "enabled": True,
            "image": public_images.grafana_image(settings.image_mirror),
            "secret": grafana.SECRET,
            "secretChecksum": stack.checksum(read),
            "runbookUrl": grafana.runbook_url(settings.runbook_url, settings.repository),
            **contact_values(stack),
        }
    }


def _logs_passwords(stack: Stack) -> dict[str, str]:
    """What who reads logs must know; of its own Elasticsearch also what that must."""
    reader = {logs.READER: stack.secrets.logs_reader_password}
    if url := stack.settings.elasticsearch_url:
        return {
            **reader,
            logs.OUTSIDE_URL: url,
            logs.OUTSIDE_READER: stack.settings.elasticsearch_reader,
        }
    return {**reader, logs.WRITER: stack.secrets.logs_writer_password}


def _logs_values(stack: Stack, images: Mapping[str, Any], checksum: str) -> dict[str, Any]:
    settings = stack.settings
    server: dict[str, Any] = {
        "outside": {
            "url": settings.elasticsearch_url,
            "writer": settings.elasticsearch_writer,
            "authority": settings.elasticsearch_authority,
        }
    }
    if not settings.elasticsearch_url:
        server = {
            "image": images[logs.ELASTICSEARCH],
            "secret": logs.SECRET,
            "secretChecksum": checksum,
            "storage": _storage(stack, ELASTICSEARCH_DISK_GB),
            "days": settings.task_log_days,
        }
    return {
        logs.ELASTICSEARCH: server,
        logs.SHIPPER: {
            "image": images[logs.SHIPPER],
            "namespace": logs.SHIPPER_NAMESPACE,
            "secret": logs.SECRET,
            "environment": settings.environment,
            "baseNamespace": AIRFLOW,
        },
    }


def _storage(stack: Stack, gigabytes: int) -> dict[str, str]:
    return {"size": f"{gigabytes}Gi", "storageClass": stack.storage_class}

"""Exports what the stack tells the outside: the command line reads it, branches stand on it, and people read it.

The keys and their meaning are those of `infra/contract/outputs.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from infra.address import Address
from infra.airflow import UI_PORT, UI_SERVICE, Airflow
from infra.celery import FLOWER_PORT, FLOWER_SERVICE
from infra.contract.dag_sources import S3
from infra.contract.executors import FLOWER
from infra.contract.ingress import Way
from infra.contract.outputs import CONTRACT, Output, Outputs
from infra.contract.tenancy import Tenancy
from infra.image import Image
from infra.rancher import Rancher
from infra.registry import Repository
from infra.stack import Stack


@dataclass(frozen=True)
class Deployed:
    """What there is to tell of any environment."""

    stack: Stack
    cluster_name: pulumi.Output[str]
    kubeconfig: pulumi.Output[str]
    log_bucket: pulumi.Output[str]
    image: Image
    airflow: Airflow
    way: pulumi.Input[Way | None]


@dataclass(frozen=True)
class Foundation:
    """What a dedicated environment is to those that stand on it."""

    log_bucket_arn: pulumi.Output[str]
    branch_boundary: pulumi.Output[str] | None
    repositories: Mapping[str, Repository]
    postgres: Image | None
    database: Address
    database_secret: str
    database_instance: str
    storage_class: str
    metrics_host: str
    logs_url: str
    branch_ui: Mapping[str, Any]
    task_nodes: str


def _export(output: Output[Any], value: Any) -> None:
    for key in output.keys:
        pulumi.export(key, pulumi.Output.secret(value) if output.secret else value)


def export(deployed: Deployed) -> None:
    """What every environment tells."""
    settings, names = deployed.stack.settings, deployed.stack.names
    _export(Outputs.environment, settings.environment)
    _export(Outputs.tenancy, settings.tenancy)
    _export(Outputs.base, settings.base)
    _export(Outputs.branch, settings.branch)
    _export(Outputs.expires, settings.expires)
    _export(Outputs.protect, settings.protect)
    _export(Outputs.region, deployed.stack.place.region)
    _export(Outputs.cluster_name, deployed.cluster_name)
    _export(Outputs.kubeconfig, deployed.kubeconfig)
    _export(Outputs.namespace, names.namespace)
    _export(Outputs.log_bucket, deployed.log_bucket)
    _export(Outputs.log_prefix, names.log_prefix)
    backed_up = settings.tenancy == Tenancy.dedicated and settings.backup_days
    _export(Outputs.backup_prefix, names.backup_prefix if backed_up else "")
    cleaned = settings.tenancy == Tenancy.dedicated and settings.database_keep_days
    _export(Outputs.archive_prefix, names.archive_prefix if cleaned else "")
    _export(Outputs.dags, settings.dags)
    _export(Outputs.dags_prefix, names.dags_prefix if settings.dags == S3 else "")
    _export(Outputs.repository_url, deployed.image.repository_url)
    _export(Outputs.image_ref, deployed.image.ref)
    _export(Outputs.built_tags, deployed.stack.built_tags)
    _export(Outputs.built_by, deployed.stack.built_by)
    _export(Outputs.admin_user, settings.admin_user)
    _export(Outputs.admin_secret_name, deployed.airflow.admin_secret_name)
    _export(Outputs.ui_service, UI_SERVICE)
    _export(Outputs.ui_port, UI_PORT)
    way = pulumi.Output.from_input(deployed.way)
    _export(Outputs.ui_url, way.apply(lambda found: found.url if found else ""))
    if FLOWER in deployed.stack.executor.components:
        _export(Outputs.flower_service, FLOWER_SERVICE)
        _export(Outputs.flower_port, FLOWER_PORT)


def export_foundation(foundation: Foundation) -> None:
    """What branches need to know; `base.py` reads it on the other side."""
    _export(Outputs.contract, CONTRACT)
    _export(Outputs.log_bucket_arn, foundation.log_bucket_arn)
    _export(
        Outputs.repositories,
        {
            image: {"url": one.url, "name": one.name, "registryId": one.registry_id}
            for image, one in foundation.repositories.items()
        },
    )
    _export(Outputs.postgres_image_ref, foundation.postgres.ref if foundation.postgres else None)
    _export(Outputs.database_host, foundation.database.host)
    _export(Outputs.database_tls, foundation.database.tls)
    _export(Outputs.database_instance, foundation.database_instance)
    _export(Outputs.database_admin_secret_name, foundation.database_secret)
    _export(Outputs.storage_class, foundation.storage_class)
    _export(Outputs.metrics_host, foundation.metrics_host)
    _export(Outputs.logs_url, foundation.logs_url)
    _export(Outputs.branch_ui, foundation.branch_ui)
    _export(Outputs.task_nodes, foundation.task_nodes)
    if foundation.branch_boundary:
        _export(Outputs.branch_boundary, foundation.branch_boundary)


def export_rancher(rancher: Rancher | None, key: "RancherKey | None") -> None:
    """Where the Rancher server is and where it leaves its token, and the key for its cloud credential, with which it
    takes the cluster in."""
    _export(Outputs.rancher_address, rancher.address if rancher else None)
    _export(Outputs.rancher_token_secret, rancher.token_secret if rancher else None)
    if key:
        _export(Outputs.rancher_access_key_id, key.identifier)
        _export(Outputs.rancher_secret_access_key, key.secret)


@dataclass(frozen=True)
class RancherKey:
    """Both halves of an access key."""

    identifier: pulumi.Output[str]
    secret: pulumi.Output[str]

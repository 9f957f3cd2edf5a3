"""What the stack tells the outside: the command line reads it, branches stand on it, and people read it.

Names are the contract: a new one may come, none may change. The same names on both rungs, so that every
verb of the command line works on any environment.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from infra.address import Address
from infra.airflow import UI_PORT, UI_SERVICE, Airflow
from infra.contract.naming import CONTRACT
from infra.image import Image
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


@dataclass(frozen=True)
class Foundation:
    """What a dedicated environment is to those that stand on it."""

    log_bucket_arn: pulumi.Output[str]
    branch_boundary: pulumi.Output[str] | None
    repositories: Mapping[str, Repository]
    postgres: Image | None
    database: Address
    database_secret: str
    storage_class: str


def export(deployed: Deployed) -> None:
    """What every environment tells."""
    settings, names = deployed.stack.settings, deployed.stack.names
    pulumi.export("environment", settings.environment)
    pulumi.export("rung", settings.rung)
    pulumi.export("base", settings.base)
    pulumi.export("branch", settings.branch)
    pulumi.export("expires", settings.expires)
    pulumi.export("protect", settings.protect)
    pulumi.export("region", deployed.stack.place.region)
    pulumi.export("clusterName", deployed.cluster_name)
    pulumi.export("kubeconfig", deployed.kubeconfig)
    pulumi.export("namespace", names.namespace)
    pulumi.export("logBucket", deployed.log_bucket)
    pulumi.export("logPrefix", names.log_prefix)
    pulumi.export("repositoryUrl", deployed.image.repository_url)
    pulumi.export("imageRef", deployed.image.ref)
    pulumi.export("adminUser", settings.admin_user)
    pulumi.export("adminSecretName", deployed.airflow.admin_secret_name)
    pulumi.export("uiService", UI_SERVICE)
    pulumi.export("uiPort", UI_PORT)


def export_foundation(foundation: Foundation) -> None:
    """What branches need to know; `base.py` reads it on the other side."""
    pulumi.export("contract", CONTRACT)
    pulumi.export("logBucketArn", foundation.log_bucket_arn)
    pulumi.export(
        "repositories",
        {
            image: {"url": one.url, "name": one.name, "registryId": one.registry_id}
            for image, one in foundation.repositories.items()
        },
    )
    pulumi.export("postgresImageRef", foundation.postgres.ref if foundation.postgres else None)
    pulumi.export("databaseHost", foundation.database.host)
    pulumi.export("databaseTls", foundation.database.tls)
    pulumi.export("databaseAdminSecretName", foundation.database_secret)
    pulumi.export("storageClass", foundation.storage_class)
    if foundation.branch_boundary:
        pulumi.export("branchBoundary", foundation.branch_boundary)


def export_rancher(address: pulumi.Output[str] | None, key: "RancherKey | None") -> None:
    """Where the Rancher server is, and the key for its cloud credential, with which it takes the cluster in."""
    pulumi.export("rancherAddress", address)
    if key:
        pulumi.export("rancherAccessKeyId", key.identifier)
        pulumi.export("rancherSecretAccessKey", key.secret)


@dataclass(frozen=True)
class RancherKey:
    """Both halves of an access key."""

    identifier: pulumi.Output[str]
    secret: pulumi.Output[str]

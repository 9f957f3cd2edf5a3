"""What the stack tells the outside: the command line reads it, and people do."""

from dataclasses import dataclass

import pulumi

from infra.access import Access
from infra.airflow import UI_PORT, UI_SERVICE, Airflow
from infra.cluster import Cluster
from infra.image import Image
from infra.log_bucket import TASK_LOGS_PREFIX, LogBucket
from infra.naming import AIRFLOW
from infra.rancher import Rancher
from infra.stack import Stack


@dataclass(frozen=True)
class Deployed:
    """What there is to tell about."""

    stack: Stack
    cluster: Cluster
    bucket: LogBucket
    access: Access
    image: Image
    airflow: Airflow
    rancher: Rancher | None


def export(deployed: Deployed) -> None:
    """Names are the contract; a new one may come, none may change."""
    settings = deployed.stack.settings
    pulumi.export("environment", settings.environment)
    pulumi.export("region", deployed.stack.place.region)
    pulumi.export("clusterName", deployed.cluster.name)
    pulumi.export("kubeconfig", deployed.cluster.kubeconfig)
    pulumi.export("namespace", AIRFLOW)
    pulumi.export("logBucket", deployed.bucket.bucket)
    pulumi.export("logPrefix", TASK_LOGS_PREFIX)
    pulumi.export("repositoryUrl", deployed.image.repository_url)
    pulumi.export("imageRef", deployed.image.ref)
    pulumi.export("adminUser", settings.admin_user)
    pulumi.export("adminSecretName", deployed.airflow.admin_secret_name)
    pulumi.export("uiService", UI_SERVICE)
    pulumi.export("uiPort", UI_PORT)
    rancher, key = deployed.rancher, deployed.access.rancher_key
    pulumi.export("rancherAddress", rancher.address if rancher else None)
    if key:
        # For Rancher's cloud credential, with which the cluster is imported.
        pulumi.export("rancherAccessKeyId", key.id)
        pulumi.export("rancherSecretAccessKey", pulumi.Output.secret(key.secret))

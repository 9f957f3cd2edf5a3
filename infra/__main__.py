# ruff: noqa: E402 (the path comes before the imports)
"""Aerodrome: everything that one environment consists of, from the ground up."""

import gc
import sys
from pathlib import Path

# The SDKs make a million objects that all stay: looking for garbage among them is a fifth of the run.
gc.disable()

# Pulumi puts this folder first on the path. The modules are `infra.X` everywhere, so the project's root
# belongs there: otherwise each would exist twice, and one of ours could hide a library's.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

import pulumi

from infra.access import Access, AccessArgs
from infra.airflow import UI_PORT, UI_SERVICE, Airflow, AirflowArgs
from infra.cluster import Cluster, ClusterArgs
from infra.image import Image, ImageArgs
from infra.log_bucket import TASK_LOGS_PREFIX, LogBucket, LogBucketArgs
from infra.naming import AIRFLOW_NAMESPACE
from infra.network import Network, NetworkArgs
from infra.rancher import Rancher, RancherArgs
from infra.registry import Registry, RegistryArgs
from infra.stack import open_stack

stack = open_stack()
network = Network("network", NetworkArgs(stack))
registry = Registry("registry", RegistryArgs(stack, images=("airflow", "postgres")))
bucket = LogBucket("logs", LogBucketArgs(stack))
cluster = Cluster("cluster", ClusterArgs(stack, network))
access = Access("access", AccessArgs(stack, cluster, bucket))
rancher = (
    Rancher("rancher", RancherArgs(stack, network)) if stack.settings.rancher_enabled else None
)
image, postgres_image = (
    Image(name, ImageArgs(stack, name, repository))
    for name, repository in registry.repositories.items()
)
airflow = Airflow(
    "airflow",
    AirflowArgs(stack, cluster, bucket, access.airflow_role_arn, image, postgres_image),
)

pulumi.export("environment", stack.settings.environment)
pulumi.export("region", stack.place.region)
pulumi.export("clusterName", cluster.name)
pulumi.export("kubeconfig", cluster.kubeconfig)
pulumi.export("namespace", AIRFLOW_NAMESPACE)
pulumi.export("logBucket", bucket.bucket)
pulumi.export("logPrefix", TASK_LOGS_PREFIX)
pulumi.export("repositoryUrl", image.repository_url)
pulumi.export("imageRef", image.ref)
pulumi.export("adminUser", stack.settings.admin_user)
pulumi.export("adminSecretName", airflow.admin_secret_name)
pulumi.export("uiService", UI_SERVICE)
pulumi.export("uiPort", UI_PORT)
pulumi.export("rancherAddress", rancher.address if rancher else None)

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

from infra import outputs
from infra.access import Access, AccessArgs
from infra.airflow import Airflow, AirflowArgs
from infra.cluster import Cluster, ClusterArgs
from infra.database import Database, DatabaseArgs
from infra.image import Image, ImageArgs, needed
from infra.log_bucket import LogBucket, LogBucketArgs
from infra.network import Network, NetworkArgs
from infra.rancher import Rancher, RancherArgs
from infra.registry import Registry, RegistryArgs
from infra.stack import open_stack

stack = open_stack()
settings = stack.settings
network = Network("network", NetworkArgs(stack))
registry = Registry("registry", RegistryArgs(stack, images=needed(settings)))
bucket = LogBucket("logs", LogBucketArgs(stack))
cluster = Cluster("cluster", ClusterArgs(stack, network))
access = Access("access", AccessArgs(stack, cluster, bucket))
rancher = Rancher("rancher", RancherArgs(stack, network)) if settings.rancher_enabled else None
database = (
    Database("database", DatabaseArgs(stack, network)) if settings.database == "rds" else None
)
images = {
    name: Image(name, ImageArgs(stack, name, repository))
    for name, repository in registry.repositories.items()
}
airflow = Airflow(
    "airflow",
    AirflowArgs(stack, cluster, bucket, access.airflow_role_arn, images, database),
)
outputs.export(
    outputs.Deployed(stack, cluster, bucket, access, images["airflow"], airflow, rancher)
)

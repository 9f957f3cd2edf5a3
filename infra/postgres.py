"""PostgreSQL in the cluster, as a part of charts/airflow: the values that the chart needs for it."""

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra.address import IN_CLUSTER_SERVICE
from infra.airflow import Airflow
from infra.contract.naming import LABEL_BASE
from infra.image import Image
from infra.stack import Stack


def postgres_values(stack: Stack, image: Image | None) -> dict[str, Any]:
    """The chart's value `postgres`; without an image the database is elsewhere."""
    if image is None:
        return {}
    settings = stack.settings
    return {
        "postgres": {
            "enabled": True,
            "image": image.values,
            "storage": {
                "size": _size(stack),
                "storageClass": stack.storage_class,
                "whenDeleted": "Retain" if settings.protect else "Delete",
            },
            # Branches have databases of their own in it.
            "admittedNamespaces": {LABEL_BASE: settings.environment},
        }
    }


def grow_disk(stack: Stack, provider: kubernetes.Provider, airflow: Airflow) -> None:
    """Asks for the database's disk as large as the configuration says.

    Its claim was made by the StatefulSet, as large as it was configured then; no chart can change it. A
    smaller size is refused by Kubernetes.
    """
    kubernetes.core.v1.PersistentVolumeClaimPatch(
        stack.names.of("database-disk"),
        metadata={
            "name": f"data-{IN_CLUSTER_SERVICE}-0",
            "namespace": airflow.namespace,
            # The size is the StatefulSet controller's until somebody takes it over.
            # And a claim of a class that waits for its first pod is ready to Pulumi only while it is unbound.
            "annotations": {"pulumi.com/patchForce": "true", "pulumi.com/skipAwait": "true"},
        },
        spec={"resources": {"requests": {"storage": _size(stack)}}},
        opts=pulumi.ResourceOptions(
            parent=airflow,
            provider=provider,
            depends_on=[airflow.release],
            # The claim goes with the StatefulSet; taking the patch back would be to take its size away.
            retain_on_delete=True,
        ),
    )


def _size(stack: Stack) -> str:
    return f"{stack.settings.database_storage_gb}Gi"

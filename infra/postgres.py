"""PostgreSQL in the cluster, as a part of charts/airflow: the values that the chart needs for it."""

from typing import Any

from infra.cluster import STORAGE_CLASS
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
            "image": {"repository": image.repository_url, "digest": image.digest},
            "storage": {
                "size": f"{settings.database_storage_gb}Gi",
                "storageClass": STORAGE_CLASS,
                "whenDeleted": "Retain" if settings.protect else "Delete",
            },
            # Branches have databases of their own in it.
            "admittedNamespaces": {LABEL_BASE: settings.environment},
        }
    }

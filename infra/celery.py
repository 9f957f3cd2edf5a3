"""Celery between the scheduler and its workers, as a part of charts/airflow: its Secret, and what the chart must be told.

Workers run tasks, and a task can read what its worker has. So they get the queue's password and that of a
database which holds nothing but results; never Airflow's own.
"""

from typing import Any, Final
from urllib.parse import quote

import pulumi

from infra.address import Address, sqlalchemy_url
from infra.contract.executors import REDIS
from infra.contract.sizes import REDIS_DISK_GB
from infra.contract.tenancy import Tenancy
from infra.image import Image, ImageArgs
from infra.registry import Repository
from infra.stack import Stack

REDIS_SERVICE: Final = "airflow-redis"
REDIS_PORT: Final = 6379
FLOWER_SERVICE: Final = "airflow-flower"
FLOWER_PORT: Final = 5555


def celery_secret(stack: Stack, server: Address) -> dict[str, pulumi.Input[str]]:
    """The content of the chart's Secret `celery`; `server` is where Airflow's database is, too."""
    name, password = stack.names.results_database, stack.secrets.celery_password
    results = sqlalchemy_url(server, name, password)
    return {
        "broker-url": f"redis://:{quote(password, safe='')}@{REDIS_SERVICE}:{REDIS_PORT}/0",
        "redis-password": password,
        "result-backend": pulumi.Output.concat("db+", results),
        "results-database": name,
        "results-password": password,
    }


def celery_values(
    stack: Stack, repository: Repository, storage_class: pulumi.Input[str]
) -> dict[str, Any]:
    """The chart's values, and the image that they name; nothing where no executor needs Redis."""
    if not stack.executor.needs_redis:
        return {}
    image = Image(REDIS, ImageArgs(stack, REDIS, repository))
    return {
        "redis": {
            "image": {"repository": image.repository_url, "digest": image.digest},
            "storage": {"size": f"{REDIS_DISK_GB}Gi", "storageClass": storage_class},
        },
        # The user of a shared environment makes no databases: its base does, with Airflow's own.
        "celery": {"createResultsDatabase": stack.settings.tenancy == Tenancy.dedicated},
    }

"""Celery between the scheduler and its workers, as a part of charts/airflow: its Secret, and what the chart must be told.

Workers run tasks, and a task can read what its worker has. So they get the queue's password and that of a
database which holds nothing but results; never Airflow's own.
"""

from collections.abc import Mapping
from typing import Any, Final

import pulumi

from infra.address import Address, sqlalchemy_url
from infra.contract import secret_contents
from infra.contract.executors import REDIS, REDIS_SERVICE
from infra.contract.sizes import REDIS_DISK_GB
from infra.contract.tenancy import Tenancy
from infra.image import Image, ImageArgs
from infra.registry import Repository
from infra.stack import Stack

FLOWER_SERVICE: Final = "airflow-flower"
FLOWER_PORT: Final = 5555


def celery_secret(stack: Stack, server: Address) -> Mapping[str, pulumi.Input[str]]:
    """The content of the chart's Secret `celery`; `server` is where Airflow finds its database, too."""
    user = secret_contents.results_user(stack.secrets, stack.names)
    results = sqlalchemy_url(
        server, stack.names.results_database, stack.secrets.celery_password, user
    )
    backend = results.apply(secret_contents.result_backend)
    return secret_contents.celery_secret(stack.secrets, stack.names, REDIS_SERVICE, backend)


def celery_logins_secret(stack: Stack) -> Mapping[str, str]:
    """The content of the chart's Secret `celeryLogins`: Redis' pod reads it at its start, and when it is told to."""
    return secret_contents.celery_logins_secret(stack.secrets, stack.names)


def queue_checksum(stack: Stack) -> dict[str, str]:
    """What replaces Redis' pod: a password that is set by hand, and no rotation, which tells the one that is there."""
    if not stack.executor.needs_redis:
        return {}
    mark = secret_contents.celery_logins(stack.secrets).mark
    return {"redisServer": stack.checksum({"mark": mark})}


def celery_values(
    stack: Stack, repository: Repository, storage_class: pulumi.Input[str]
) -> dict[str, Any]:
    """The chart's values, and the image that they name; nothing where no executor needs Redis."""
    if not stack.executor.needs_redis:
        return {}
    image = Image(REDIS, ImageArgs(stack, REDIS, repository))
    return {
        "redis": {
            "image": image.values,
            "storage": {"size": f"{REDIS_DISK_GB}Gi", "storageClass": storage_class},
        },
        # The user of a shared environment makes no databases: its base does, with Airflow's own.
        "celery": {"createResultsDatabase": stack.settings.tenancy == Tenancy.dedicated},
    }

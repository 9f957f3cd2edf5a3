"""The list of what a shared environment consists of: what must be its own, in the house of its base."""

from typing import Any

import pulumi_kubernetes as kubernetes

from infra import outputs
from infra.address import Address
from infra.airflow import Airflow, AirflowArgs
from infra.base import Base
from infra.branch_access import BranchAccess, BranchAccessArgs
from infra.branch_database import BranchDatabase, BranchDatabaseArgs
from infra.celery import celery_values
from infra.contract.executors import REDIS
from infra.contract.outputs import Outputs
from infra.contract.pooling import PGBOUNCER
from infra.image import Image, ImageArgs
from infra.isolation import NAMESPACE_LABELS, NamespaceIsolation, NamespaceIsolationArgs
from infra.monitoring import statsd_values
from infra.pgbouncer import pgbouncer_values
from infra.stack import Stack
from infra.task_logs import task_logs_of_base
from infra.ui import ui_values_of_branch, way_of_branch

PARALLELISM = 16
"""Tasks at once that the quota holds beside Airflow's own pods."""


def _values(stack: Stack, base: Base) -> dict[str, Any]:
    return {
        "scheduler": {"parallelism": min(PARALLELISM, stack.executor.parallelism)},
        # A task whose pod the quota does not hold now waits for its turn, for up to a day. Airflow takes it
        # back and queues it again every ten minutes, twice by default, and then fails it.
        "config": {"scheduler": {"num_stuck_in_queued_retries": "144"}},
        # A branch gets no secret of its base's (ADR 10), and is deployed all the same.
        "missingSecrets": "leaveOut",
        "workers": {
            # As NAMESPACE_LABELS demand.
            "restrictedPods": True,
            "ownNodes": base.output(Outputs.task_nodes).apply(lambda key: key or ""),
        },
    }


def deploy(stack: Stack) -> None:
    base = Base(stack)
    kubeconfig = base.output(Outputs.kubeconfig)
    # Otherwise a changed Secret is deleted and made again: pods that start in between fail.
    provider = kubernetes.Provider(
        stack.names.of("base"), kubeconfig=kubeconfig, enable_secret_mutable=True
    )
    database = BranchDatabase("database", BranchDatabaseArgs(stack, base, provider))
    server = Address(base.output(Outputs.database_host), base.output(Outputs.database_tls))
    image = Image("airflow", ImageArgs(stack, "airflow", base.repository("airflow")))
    access = BranchAccess(
        "access",
        BranchAccessArgs(
            stack, base.output(Outputs.log_bucket_arn), base.output(Outputs.branch_boundary)
        ),
    )
    way = way_of_branch(stack, base)
    airflow = Airflow(
        "airflow",
        AirflowArgs(
            stack,
            provider,
            base.output(Outputs.cluster_name),
            base.output(Outputs.log_bucket),
            access.airflow_role_arn,
            image,
            server,
            namespace_labels=NAMESPACE_LABELS,
            after=[database.release],
            values={
                **_values(stack, base),
                **celery_values(stack, base.repository(REDIS), base.output(Outputs.storage_class)),
                **pgbouncer_values(stack, base.repository(PGBOUNCER), server),
                **statsd_values(base.output(Outputs.metrics_host).apply(lambda host: host or "")),
            },
            ui=ui_values_of_branch(way),
            task_role_arns=access.task_role_arns,
            task_logs=task_logs_of_base(stack, base, provider),
        ),
    )
    NamespaceIsolation("fences", NamespaceIsolationArgs(stack, provider, airflow.namespace))
    outputs.export(
        outputs.Deployed(
            stack,
            base.output(Outputs.cluster_name),
            kubeconfig,
            base.output(Outputs.log_bucket),
            image,
            airflow,
            way,
        )
    )

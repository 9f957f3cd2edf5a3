"""The list of what a dedicated environment consists of: everything, from the ground up."""

from typing import Any

from infra import outputs
from infra.access import Access, AccessArgs
from infra.address import in_cluster
from infra.airflow import Airflow, AirflowArgs
from infra.backup import Backup, BackupArgs
from infra.budget import Budget, BudgetArgs
from infra.celery import celery_values
from infra.cluster import KubernetesCluster, deploy_cluster
from infra.contract.executors import REDIS
from infra.contract.naming import LABEL_TASKS
from infra.contract.pooling import PGBOUNCER
from infra.contract.sizes import images as images_of
from infra.database import Database, DatabaseArgs
from infra.database_clean import DatabaseClean, DatabaseCleanArgs
from infra.database_monitor import monitor_values
from infra.existing_database import ExistingDatabase, ExistingDatabaseArgs
from infra.flow_log import FlowLog, FlowLogArgs
from infra.image import Image, ImageArgs
from infra.log_bucket import LogBucket, LogBucketArgs
from infra.monitoring import Monitoring, deploy_monitoring, monitoring_images
from infra.network import Network, NetworkArgs
from infra.pgbouncer import pgbouncer_values
from infra.postgres import grow_disk, postgres_values
from infra.rancher import Rancher, RancherArgs
from infra.registry import Registry, RegistryArgs
from infra.stack import Stack
from infra.task_logs import own_task_logs
from infra.task_nodes import TaskNodes, deploy_task_nodes
from infra.ui import own_way, ui_values


def deploy(stack: Stack) -> None:
    settings = stack.settings
    if settings.budget_usd:  # First: what comes up is watched from the beginning.
        Budget("budget", BudgetArgs(stack))
    network = Network("network", NetworkArgs(stack))
    # The first two have a place in any case: branches choose their own, and run from it when this one changes.
    kept = (*images_of(settings.database), REDIS, PGBOUNCER, *monitoring_images(settings))
    registry = Registry("registry", RegistryArgs(stack, images=kept))
    bucket = LogBucket("logs", LogBucketArgs(stack, network if settings.flow_logs else None))
    if settings.flow_logs:
        FlowLog("flow-log", FlowLogArgs(stack, network, bucket))
    cluster = deploy_cluster(stack, network)
    access = Access("access", AccessArgs(stack, cluster, bucket))
    rancher = Rancher("rancher", RancherArgs(stack, network)) if settings.rancher_enabled else None
    images = {
        name: Image(name, ImageArgs(stack, name, registry.repositories[name]))
        for name in images_of(settings.database)
    }
    backup = Backup("backup", BackupArgs(stack, cluster, bucket)) if settings.backup_days else None
    clean = (
        DatabaseClean("database-clean", DatabaseCleanArgs(stack, cluster, bucket))
        if settings.database_keep_days
        else None
    )
    database = _database(stack, network, cluster, images["airflow"])
    address = database.address if database else in_cluster(stack)
    task_nodes = deploy_task_nodes(stack, cluster, network)
    monitoring = deploy_monitoring(stack, cluster, registry, address)
    way = own_way(stack)
    airflow = Airflow(
        "airflow",
        AirflowArgs(
            stack,
            cluster.provider,
            cluster.name,
            bucket.bucket,
            access.airflow_role_arn,
            images["airflow"],
            address,
            after=[
                cluster.storage_class,
                *(one.association for one in (backup, clean) if one),
                *([database.release] if isinstance(database, ExistingDatabase) else []),
                *([monitoring.release] if monitoring else []),
                *([task_nodes.pool] if task_nodes else []),
            ],
            values={
                **postgres_values(stack, images.get("postgres")),
                **celery_values(stack, registry.repositories[REDIS], stack.storage_class),
                **pgbouncer_values(stack, registry.repositories[PGBOUNCER], address),
                **_values(stack, backup, clean, monitoring, task_nodes),
            },
            ui=ui_values(way),
            task_role_arns=access.task_role_arns,
            task_logs=own_task_logs(stack),
        ),
    )
    if not database:
        grow_disk(stack, cluster.provider, airflow)
    image, kubeconfig = images["airflow"], cluster.kubeconfig
    outputs.export(
        outputs.Deployed(stack, cluster.name, kubeconfig, bucket.bucket, image, airflow, way)
    )
    outputs.export_foundation(
        outputs.Foundation(
            bucket.arn,
            access.branch_boundary,
            registry.repositories,
            images.get("postgres"),
            address,
            airflow.database_secret_name,
            stack.place.server.identifier if stack.place.server else "",
            stack.storage_class,
            monitoring.statsd_host if monitoring else "",
            monitoring.logs_url if monitoring else "",
            way.of_branches() if way and settings.ui_branch_hosts else {},
            LABEL_TASKS if task_nodes else "",
        )
    )
    outputs.export_rancher(rancher, access.rancher_key)


def _database(
    stack: Stack, network: Network, cluster: KubernetesCluster, image: Image
) -> Database | ExistingDatabase | None:
    """On RDS, of its own or in an instance that is there; None in the cluster, where Airflow's chart makes it."""
    if server := stack.place.server:
        return ExistingDatabase("database", ExistingDatabaseArgs(stack, server, cluster, image))
    if stack.settings.database == "rds":
        return Database("database", DatabaseArgs(stack, network))
    return None


def _values(
    stack: Stack, *parts: Backup | DatabaseClean | Monitoring | TaskNodes | None
) -> dict[str, Any]:
    """What PostgreSQL's monitoring, and those that there are, say to Airflow's chart."""
    own = {key: value for part in parts if part for key, value in part.values.items()}
    return {**monitor_values(stack), **own}

"""Metrics: what is measured, how it is called, where it lies. Dashboards, alerts and `aerodrome metrics` query by it.

Airflow's StatsD, with tags, goes to Telegraf, and from there to InfluxDB: `charts/monitoring`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class MonitoringScope(StrEnum):
    """The setting `monitoring`."""

    none = "none"
    metrics = "metrics"
    logs = "logs"
    all = "all"

    @property
    def with_metrics(self) -> bool:
        return self in (MonitoringScope.metrics, MonitoringScope.all)

    @property
    def with_logs(self) -> bool:
        return self in (MonitoringScope.logs, MonitoringScope.all)


INFLUXDB, TELEGRAF = "influxdb", "telegraf"
"""The folders of the images, and the chart's groups of values."""

NAMESPACE: Final = "monitoring"
"""In the cluster; a base's is its branches', too."""

RELEASE: Final = "monitoring"

STATSD_SERVICE: Final = f"{RELEASE}-telegraf"
STATSD_HOST: Final = f"{STATSD_SERVICE}.{NAMESPACE}.svc.cluster.local"
STATSD_PORT: Final = 8125

INFLUXDB_SERVICE: Final = f"{RELEASE}-influxdb"
INFLUXDB_PORT: Final = 8086

SECRET: Final = "monitoring-influxdb"
"""The Secret with one password for each of `USERS`."""

MONITOR: Final = "aerodrome_monitor"
"""The user of Airflow's PostgreSQL by whom Telegraf reads its figures: a member of `pg_monitor`, and of nothing else."""

MONITOR_SECRET: Final = "monitoring-postgresql"
"""The Secret with the key `MONITOR_ADDRESS`: where PostgreSQL is, password included."""

MONITOR_ADDRESS: Final = "address"

POOLER_ADDRESS: Final = "pgbouncer"
"""Another key of it, where there is a PgBouncer: where its console is."""

ADDRESS_KEY, DATABASE_KEY, USER_KEY = "url", "database", "user"
"""What the Secret has besides where InfluxDB is another's (setting `influxdbUrl`). Its one user's password is that of all `USERS`
but `ADMIN`."""

OLDEST_INFLUXDB: Final = (1, 6)
"""The first version that is known to do. 2 and 3 have other users, policies and queries."""

DATABASE: Final = "metrics"

RAW: Final = "raw"
"""The retention policy of points as they came; the default of queries that name none."""

DOWNSAMPLED: Final = "downsampled"
"""The retention policy of what the continuous queries make of them."""

ADMIN, WRITER, READER = "admin", "writer", "reader"
USERS: Final = (ADMIN, WRITER, READER)

ENVIRONMENT_TAG: Final = "environment"
"""On every point of an Airflow: a base's InfluxDB has those of its branches, too. Points of the cluster have none."""

DROPPED_TAGS: Final = ("job_id", "run_id")
"""Never stored: each value is there once, and would be a series of its own for ever."""


@dataclass(frozen=True)
class Measurement:
    """One measurement in InfluxDB."""

    name: str
    kind: str
    """`counter`: the number of events since the point before. `gauge`: a level. `timing`: in milliseconds. `runs`: of five
    seconds. `node`: of a node's kubelet. `server`, `database`: of PostgreSQL.
    `certificate`: in seconds. `pods`: all of a component.
    `pools`: of PgBouncer. Their fields: `FIELDS`."""
    tags: tuple[str, ...]
    doc: str


FIELDS: Final = {
    "counter": ("value",),
    "gauge": ("value",),
    "timing": (
        "count",
        "sum",
        "mean",
        "median",
        "lower",
        "upper",
        "stddev",
        "90_percentile",
        "99_percentile",
    ),
    "runs": ("success", "failed"),
    "node": (
        "cpu_usage_nanocores",
        "memory_working_set_bytes",
        "memory_available_bytes",
        "fs_used_bytes",
        "fs_capacity_bytes",
    ),
    "server": ("connections", "connection_limit"),
    "database": ("connections", "connection_limit", "size_bytes"),
    "pools": ("cl_active", "cl_waiting", "sv_active", "sv_idle", "maxwait"),
    "certificate": ("expiry",),
    "pods": (
        "cpu_usage_nanocores_sum",
        "memory_working_set_bytes_sum",
        "memory_working_set_bytes_max",
        "restarts_sum",
        "oom_killed_sum",
        "evicted_sum",
    ),
}
"""What points of a kind have; a node's and those of pods have more, which nothing asks for."""

_TASK = ("dag_id", "task_id")
_EXECUTOR = ("executor_class_name",)

AIRFLOW: Final = (
    Measurement(
        "airflow_scheduler_heartbeat", "counter", (), "Every 5 s while the scheduler lives."
    ),
    Measurement("airflow_dag_processor_heartbeat", "counter", (), "While the DAG processor lives."),
    Measurement("airflow_triggerer_heartbeat", "counter", (), "While the triggerer lives."),
    Measurement("airflow_ti_start", "counter", _TASK, "Tries of tasks that began."),
    Measurement("airflow_ti_finish", "counter", (*_TASK, "state"), "Tries of tasks that ended."),
    Measurement("airflow_task_duration", "timing", _TASK, "How long a try ran."),
    Measurement(
        "airflow_task_scheduled_duration", "timing", (*_TASK, "queue"), "From scheduled to queued."
    ),
    Measurement(
        "airflow_dagrun_duration_success", "timing", ("dag_id", "run_type"), "Runs that succeeded."
    ),
    Measurement(
        "airflow_dagrun_duration_failed", "timing", ("dag_id", "run_type"), "Runs that failed."
    ),
    Measurement(
        "airflow_dagrun_schedule_delay", "timing", ("dag_id", "run_type"), "How late a run began."
    ),
    Measurement(
        "airflow_dag_processing_import_errors", "gauge", (), "DAG files that cannot be imported."
    ),
    Measurement("airflow_dagbag_size", "gauge", (), "DAGs that were found."),
    Measurement(
        "airflow_executor_queued_tasks", "gauge", _EXECUTOR, "Tasks that wait for the executor."
    ),
    Measurement("airflow_executor_running_tasks", "gauge", _EXECUTOR, "Tasks that it runs."),
    Measurement("airflow_executor_open_slots", "gauge", _EXECUTOR, "How many more it could run."),
    Measurement("airflow_pool_open_slots", "gauge", ("pool_name",), "Free slots of a pool."),
    Measurement("airflow_pool_queued_slots", "gauge", ("pool_name",), "Queued tasks of a pool."),
    Measurement("airflow_pool_running_slots", "gauge", ("pool_name",), "Running tasks of a pool."),
    Measurement(
        "airflow_scheduler_tasks_starving", "gauge", (), "Tasks for which no pool has a slot."
    ),
    Measurement("airflow_pod_start", "timing", (), "From a task's pod's creation to its start."),
    Measurement("airflow_pod_oom_killed", "counter", (), "Tasks' pods killed for their memory."),
    Measurement("airflow_pod_evicted", "counter", (), "Tasks' pods that Kubernetes took away."),
)
"""What dashboards and alerts go by. Airflow sends more, named alike: `airflow_` and Airflow's own name with `_` for `.`."""

RUNS_ENDED: Final = Measurement(
    "airflow_dagrun_ended", "runs", ("dag_id",), "Runs that ended, each five seconds."
)
"""Made by continuous queries of `airflow_dagrun_duration_*`: InfluxQL cannot ask two measurements for one answer."""

NODE: Final = Measurement("kubernetes_node", "node", ("node_name",), "A node's figures.")
"""The kubelets'. Without `ENVIRONMENT_TAG`."""

PODS: Final = Measurement(
    "kubernetes_pods", "pods", ("component",), "Airflow's pods of one component together."
)
"""No names of pods: tasks have other ones each time."""

LOGS_ARRIVED: Final = Measurement(
    "logs_arrived", "counter", (), "Lines of logs that Elasticsearch has, and had not before."
)
"""Elasticsearch's keeper counts them: images/elasticsearch."""

CERTIFICATE: Final = Measurement(
    "x509_cert", "certificate", ("source",), "How long a server's certificate is still valid."
)

POSTGRESQL: Final = Measurement(
    "postgresql_server", "server", (), "Connections, and how many there can be."
)
POSTGRESQL_DATABASE: Final = Measurement(
    "postgresql_database", "database", ("database",), "Those of one database, and its size."
)
"""A branch's has a limit of its own. Both are without `ENVIRONMENT_TAG`."""

PGBOUNCER_POOLS: Final = Measurement(
    "pgbouncer_pools",
    "pools",
    ("db", "user"),
    "Clients and connections of one of PgBouncer's pools.",
)
"""The base's own. Without `ENVIRONMENT_TAG`."""

ALL: Final = (
    *AIRFLOW,
    RUNS_ENDED,
    LOGS_ARRIVED,
    NODE,
    PODS,
    POSTGRESQL,
    POSTGRESQL_DATABASE,
    PGBOUNCER_POOLS,
    CERTIFICATE,
)

"""### ExternalTaskSensor: wait for a task of another DAG

It looks for the run of the other DAG with **the same logical date**, and waits until the task there has
succeeded. `deferrable=True` waits in the triggerer: no pod is held for hours.

**When to use it.** When two DAGs have their own schedules, and this one needs the other's result of the same day.
Schedules that differ by an hour: `execution_delta`. To be started by the other instead of waiting for it,
use assets (`example_assets`).

**What to look at.** Trigger both DAGs with the same *logical date* (a field in the trigger's form), this one first:
`wait_for_publish` is *deferred* until `publish` of `example_external_task_upstream` is green. With
different dates it waits until its timeout: the classic mistake.
"""

from datetime import datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.sensors.external_task import ExternalTaskSensor
from airflow.sdk import chain, dag, task

COMMON: dict[str, Any] = {
    "schedule": None,
    "start_date": datetime(2026, 1, 1),
    "default_args": {"owner": "examples", "retries": 0},
    "tags": ["example"],
}


@dag(**COMMON, doc_md=__doc__)
def example_external_task_sensor() -> None:
    """Wait for the other DAG's task, then go on."""
    wait = ExternalTaskSensor(
        task_id="wait_for_publish",
        external_dag_id="example_external_task_upstream",
        external_task_id="publish",
        allowed_states=["success"],
        # Without this a failure over there is waited out until the timeout.
        failed_states=["failed", "upstream_failed", "skipped"],
        deferrable=True,
        poke_interval=5,
        timeout=timedelta(minutes=30).total_seconds(),
    )
    chain(wait, EmptyOperator(task_id="use_what_was_published"))


@dag(**COMMON, doc_md="Waited for by `example_external_task_sensor`.")
def example_external_task_upstream() -> None:
    """Publish something."""

    @task
    def publish() -> str:
        return "published"

    publish()


example_external_task_sensor()
example_external_task_upstream()

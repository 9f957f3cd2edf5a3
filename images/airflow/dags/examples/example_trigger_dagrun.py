"""### TriggerDagRunOperator: one DAG starts another, and waits for it

The controller hands a value over as the run's `conf`, defers itself until the other run has ended, and fails if that
one did. Deferred, it holds no pod and no slot: the triggerer waits for all such tasks together.

**When to use it.** When another team's DAG is to run now, with parameters, as a part of this one. To run whenever
some data have changed, use assets (`example_assets`); to wait for a run that its own schedule starts,
use a sensor (`example_external_task_sensor`).

**What to look at.** The task `start_target` while it waits: purple, *deferred*. Its link *Triggered DAG* leads to
the other run. The target must not be paused: its runs would wait for ever, and the controller with them.
"""

from datetime import datetime
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import dag, task

COMMON: dict[str, Any] = {
    "schedule": None,
    "start_date": datetime(2026, 1, 1),
    "default_args": {"owner": "examples", "retries": 0},
    "tags": ["example"],
}


@dag(**COMMON, doc_md=__doc__)
def example_trigger_dagrun() -> None:
    """Start the other DAG with a city."""
    TriggerDagRunOperator(
        task_id="start_target",
        trigger_dag_id="example_trigger_dagrun_target",
        conf={"city": "Lisbon", "asked_by": "{{ run_id }}"},
        wait_for_completion=True,
        deferrable=True,
        poke_interval=5,
        allowed_states=["success"],
        failed_states=["failed"],
        # Fails at once instead of waiting for a run that nobody starts.
        fail_when_dag_is_paused=True,
    )


# Without a schedule it runs only when it is asked to, so it need not be paused.
@dag(**COMMON, is_paused_upon_creation=False, doc_md="Started by `example_trigger_dagrun`.")
def example_trigger_dagrun_target() -> None:
    """Read what the controller handed over."""

    @task
    def greet(params: dict[str, Any], dag_run: Any) -> str:
        city = (dag_run.conf or {}).get("city", "nowhere")
        return f"Greetings from {city}"

    greet()


example_trigger_dagrun()
example_trigger_dagrun_target()

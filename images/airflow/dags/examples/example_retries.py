"""### Retries, and who is told

A task that fails is *up for retry* until its tries are used up; each try is a pod of its own, with its own log.
Callbacks are plain functions: `on_retry_callback` after a try that failed with more to come,
`on_failure_callback` after the last one, `on_success_callback`, `on_skipped_callback`.

**When to use it.** Retries for what heals by itself: a network, a busy service, a spot node that went. Not for bugs:
`AirflowFailException` ends a task at once. Callbacks for alarms; providers have ready-made notifiers.

**What to look at.** Each task's log has a number for each try; the callback's line is at its end. `flaky` is green at its
second try. `hopeless` stays red, and so does the run.
"""

import logging
from datetime import datetime, timedelta

from airflow.sdk import Context, TaskInstance, dag, task

log = logging.getLogger(__name__)


def tell(context: Context) -> None:
    """Where an alarm would be sent."""
    ti = context["ti"]
    log.warning("told: try %d of %s failed: %s", ti.try_number, ti.task_id, context["exception"])


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    default_args={
        "owner": "examples",
        "retries": 1,
        "retry_delay": timedelta(seconds=1),
        "on_retry_callback": tell,
        "on_failure_callback": tell,
    },
    tags=["example"],
    doc_md=__doc__,
)
def example_retries() -> None:
    """One task that heals, one that does not."""

    @task
    def flaky(ti: TaskInstance) -> int:
        if ti.try_number == 1:
            raise ConnectionError("The first try fails on purpose.")
        return ti.try_number

    # Each delay twice as long as the one before, up to a limit: a service that is down gets time.
    @task(retry_exponential_backoff=True, max_retry_delay=timedelta(minutes=5))
    def hopeless() -> None:
        raise ConnectionError("Every try fails on purpose.")

    flaky()
    hopeless()


example_retries()

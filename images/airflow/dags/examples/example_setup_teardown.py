"""### Setup and teardown: what is made for a task goes again, even if the task fails

A setup makes something (a cluster, a table, a file), a teardown takes it away. The teardown runs as soon as the
work between them has ended, however it ended, but only if its setup succeeded: its trigger rule is
`all_done_setup_success`. Clearing a work task clears its setup and teardown with it.

**When to use it.** For everything that costs money or stands in the way while it exists.

**What to look at.** The Graph marks both with an arrow. Three groups: the work succeeds; the work fails and the
teardown runs all the same; the setup fails, so neither work nor teardown run. The run is red because of the work
and the setup that failed: a teardown has no say in it, unless `on_failure_fail_dagrun=True`.
"""

from datetime import datetime

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import BaseOperator, dag, task, task_group
from airflow.sdk.exceptions import AirflowFailException


@task
def break_off() -> None:
    """Fails at once: AirflowFailException asks for no retry."""
    raise AirflowFailException("This task fails on purpose.")


def resource() -> tuple[BaseOperator, BaseOperator]:
    """Something that is made and taken away; here both do nothing."""
    return EmptyOperator(task_id="create"), EmptyOperator(task_id="delete")


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    default_args={"owner": "examples", "retries": 0},
    tags=["example"],
    doc_md=__doc__,
)
def example_setup_teardown() -> None:
    """The three ways it can go."""

    @task_group
    def work_succeeds() -> None:
        create, delete = resource()
        # `as_teardown(setups=...)` marks both, and ties them together.
        create >> EmptyOperator(task_id="work") >> delete.as_teardown(setups=create)

    @task_group
    def work_fails() -> None:
        create, delete = resource()
        # The same as a block: all tasks in it are the work.
        with delete.as_teardown(setups=create):
            break_off.override(task_id="work")()

    @task_group
    def setup_fails() -> None:
        create = break_off.override(task_id="create")().as_setup()
        delete = EmptyOperator(task_id="delete")
        create >> EmptyOperator(task_id="work") >> delete.as_teardown(setups=create)

    work_succeeds()
    work_fails()
    setup_fails()


example_setup_teardown()

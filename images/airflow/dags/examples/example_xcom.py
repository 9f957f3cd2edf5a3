"""### XCom: how a task hands a value to another

Tasks run in pods of their own and share no memory and no disk. What one returns is an **XCom**: JSON in
Airflow's database, by DAG, run, task and key.

Three ways, from the oldest to the shortest: `xcom_push` and `xcom_pull` by key; `task.output` of an operator;
the result of a `@task` function, handed to another as if it were a plain call (TaskFlow).

**When to use it.** For numbers, names, dates, addresses of files: what fits into a message. What is larger goes to
S3 by itself (`example_xcom_large`); data belong into a table or a bucket, with their address as the XCom.

**What to look at.** The run's tab *XCom*: `count` has two keys, `return_value` and `unit`.
"""

from datetime import datetime

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import TaskInstance, dag, task


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    default_args={"owner": "examples", "retries": 0},
    tags=["example"],
    doc_md=__doc__,
)
def example_xcom() -> None:
    """Pushed, pulled, and handed over."""

    @task
    def count(ti: TaskInstance) -> int:
        """A key of its own, and the result."""
        ti.xcom_push(key="unit", value="apples")
        return 3

    @task
    def pull(ti: TaskInstance) -> str:
        """By task and key. Nothing in here tells Airflow that `count` goes first: `>>` below does."""
        return f"{ti.xcom_pull(task_ids='count')} {ti.xcom_pull(task_ids='count', key='unit')}"

    @task(multiple_outputs=True)
    def price(number: int) -> dict[str, str]:
        """TaskFlow: the argument is the other task's result, and makes the edge. Each key is an XCom."""
        return {"net": f"{number * 2:.2f}", "gross": f"{number * 2.5:.2f}"}

    counted = count()
    counted >> pull()
    # In an operator's template field a result is pulled when the task runs, and makes the edge, too.
    # The operator's own result, here the last line that it wrote, is `show.output`.
    BashOperator(
        task_id="show", bash_command='echo "$GROSS"', env={"GROSS": price(counted)["gross"]}
    )


example_xcom()

"""### TaskGroups, and how a SubDAG becomes one

A **TaskGroup** is a box around tasks: it folds in the Graph, has an edge of its own, and its name is in front
of its tasks' ids (`clean_orders.deduplicate.sort`). It is not a DAG: its tasks run in the same run, with
the same pools and the same scheduler loop.

**When to use it.** For a part that has a name of its own, or that occurs several times. Airflow 3 has no
SubDAGs any more; one is rewritten in three steps:

1. the function that returned a DAG returns nothing and gets `@task_group`;
2. the SubDAG's `default_args` become those of the group;
3. `SubDagOperator(subdag=clean(...))` becomes a call, `clean.override(group_id=...)(...)`.

**What to look at.** The Graph: unfold `clean_orders`, then `deduplicate` in it. The Grid folds in the same way.
"""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import TaskGroup, chain, dag, task_group


@task_group(default_args={"retries": 3, "retry_delay": timedelta(seconds=10)})
def clean(source: str) -> None:
    """What was a SubDAG: called once for each source. Its tasks are tried up to four times."""
    read = EmptyOperator(task_id="read", doc_md=f"Would read `{source}`.")
    with TaskGroup("deduplicate") as deduplicate:
        chain(EmptyOperator(task_id="sort"), EmptyOperator(task_id="unique"))
    # An edge to a group is one to its first tasks, an edge from it one from its last.
    chain(read, deduplicate, EmptyOperator(task_id="write"))


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    default_args={"owner": "examples", "retries": 0},
    tags=["example"],
    doc_md=__doc__,
)
def example_task_groups() -> None:
    """Two sources are cleaned side by side, then joined."""
    sources = [clean.override(group_id=f"clean_{one}")(one) for one in ("orders", "customers")]
    chain(EmptyOperator(task_id="start"), sources, EmptyOperator(task_id="join"))


example_task_groups()

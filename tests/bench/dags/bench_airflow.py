"""The DAGs that `make bench` times: one task, a chain of five, twenty mapped ones. No task does anything."""

from airflow.sdk import dag, task


@task
def nothing(number: int = 0) -> None:
    """Ends at once: what is measured is everything around it."""


@dag(schedule=None, catchup=False, is_paused_upon_creation=False)
def bench_one():
    """One task."""
    nothing()


@dag(schedule=None, catchup=False, is_paused_upon_creation=False)
def bench_chain():
    """Five tasks, one after the other."""
    before = None
    for number in range(5):
        step = nothing.override(task_id=f"step_{number}")(number)
        if before is not None:
            before >> step
        before = step


@dag(schedule=None, catchup=False, is_paused_upon_creation=False)
def bench_mapped():
    """Twenty tasks at once."""
    nothing.expand(number=list(range(20)))


bench_one()
bench_chain()
bench_mapped()

"""### Large XComs go to S3 by themselves

From 256 KiB of JSON on (the chart's `xcom.thresholdBytes`) a value is packed and written to the environment's
bucket, and the database holds its address. The tasks below do not know: they return and take a list.

**When to use it.** When a result is now and then too large for a message. It is still read and written as a
whole: for data proper, write a file and hand over its address.

**What to look at.** The run's tab *XCom*: `make` has an address that begins with `s3://`, `add_up` a number.
The object goes with what it belongs to: clear `make`, and another one takes its place; delete the run, and the
nightly sweep deletes it, at the latest the bucket's lifecycle rule (`taskLogDays`).
"""

from datetime import datetime

from airflow.sdk import dag, task

NUMBERS = 100_000


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    default_args={"owner": "examples", "retries": 0},
    tags=["example"],
    doc_md=__doc__,
)
def example_xcom_large() -> None:
    """A list of 700 kB from one pod to another."""

    @task
    def make() -> list[int]:
        return list(range(NUMBERS))

    @task
    def add_up(numbers: list[int]) -> int:
        if len(numbers) != NUMBERS:
            raise ValueError(f"{len(numbers)} numbers arrived, {NUMBERS} were sent")
        return sum(numbers)

    add_up(make())


example_xcom_large()

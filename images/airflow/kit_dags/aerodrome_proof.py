"""The proof that the whole chain works: two tasks, each run as this environment runs tasks.

`aerodrome up` starts it after a deployment. The second task needs the first one's result, which
travels through the API server and the database; its log is read back from the bucket and through
Airflow. It is in a bundle of its own: a team's folder dags/ may hold whatever it likes, or nothing.
"""

import logging

from airflow.sdk import dag, task

log = logging.getLogger(__name__)


@dag(
    schedule=None,
    is_paused_upon_creation=False,
    default_args={"owner": "aerodrome", "retries": 0},
    tags=["aerodrome"],
    doc_md=__doc__,
)
def aerodrome_proof() -> None:
    """Fetch some numbers, then add them up."""

    @task
    def fetch() -> list[int]:
        numbers = [2, 3, 5, 7, 11]
        log.info("aerodrome: fetched %d numbers", len(numbers))
        return numbers

    @task
    def summarise(numbers: list[int]) -> int:
        total = sum(numbers)
        log.info("aerodrome: the sum is %d", total)
        return total

    summarise(fetch())


aerodrome_proof()

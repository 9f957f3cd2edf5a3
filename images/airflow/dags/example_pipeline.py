"""A DAG to start from: two tasks, of which the second needs the first one's result.

The result travels through the API server and the database. Change it, or delete it: nothing depends on it.
"""

import logging
from datetime import datetime

from airflow.sdk import dag, task

log = logging.getLogger(__name__)


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    is_paused_upon_creation=False,
    default_args={"owner": "aerodrome", "retries": 0},
    tags=["example", "proof"],
    doc_md=__doc__,
)
def example_pipeline() -> None:
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


example_pipeline()

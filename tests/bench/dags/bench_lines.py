"""The DAG by whose lines `make bench` measures how long one takes to Elasticsearch."""

import sys
import time

from airflow.sdk import dag, task

MARK = "bench: line"


@dag(schedule=None, catchup=False, is_paused_upon_creation=False)
def bench_lines():
    """One task that writes three hundred lines in a minute."""

    @task
    def write() -> None:
        for number in range(300):
            sys.stdout.write(f"{MARK} {number}\n")
            sys.stdout.flush()
            time.sleep(0.2)

    write()


bench_lines()

"""DAGs whose lines and metrics are looked for in monitoring."""

LINES = 50
"""Of one task of the DAG `watched`."""

TICKS = 400
"""Lines of the DAG `watched_steadily`, ten a second."""

TRACEBACK = "aerodrome: quokka"
"""In an exception that fails its task."""

SECRETS = {
    "watched_password": "p4ss of a variable",
    "connection": "p4ss-of-a-connection",
    "masked": "p4ss-that-the-DAG-masks",
}
"""What Airflow masks: a variable by its name, the password of a connection, and what a DAG names."""

CONNECTION = "watched"

FINISHED = {
    ("lines", "success"): 1,
    ("flaky", "up_for_retry"): 1,
    ("flaky", "success"): 1,
    ("failing", "failed"): 1,
    ("mapped", "success"): 3,
    ("secrets", "failed"): 1,
}
"""Tries of one run of `watched` by task and state."""

DAGS = f'''"""A success, a retry, a failure and a mapped task; secrets in lines; a task that talks for a while."""

import os
import time
from datetime import datetime, timedelta
from urllib.parse import quote

from airflow.sdk import DAG, Variable, task
from airflow.sdk.bases.hook import BaseHook
from airflow.sdk.log import mask_secret


def on_its_own(name: str) -> DAG:
    return DAG(name, schedule=None, start_date=datetime(2026, 1, 1), catchup=False)


with on_its_own("watched"):

    @task
    def lines() -> None:
        for number in range({LINES}):
            print("aerodrome: line", number)

    @task
    def mapped(number: int) -> None:
        print("aerodrome: mapped", number)

    @task(retries=1, retry_delay=timedelta(0))
    def flaky(ti: object = None) -> None:
        print("aerodrome: try", ti.try_number)
        if ti.try_number == 1:
            raise RuntimeError("aerodrome: only once")

    @task
    def failing() -> None:
        raise ValueError("{TRACEBACK}")

    @task
    def secrets() -> None:
        """They are printed as they are, and in an exception."""
        masked = "-".join(("p4ss", "that", "the", "DAG", "masks"))
        mask_secret(masked)
        connection = BaseHook.get_connection("{CONNECTION}").password
        for secret in (Variable.get("watched_password"), connection, masked):
            print("aerodrome: a secret", secret, "and", {{"password": secret}}, flush=True)
        raise RuntimeError(f"refused: {{connection}} {{masked}}")

    lines()
    mapped.expand(number=[0, 1, 2])
    flaky()
    failing()
    secrets()

with on_its_own("watched_steadily"):

    @task
    def talk() -> None:
        for number in range({TICKS}):
            print("aerodrome: tick", number, flush=True)
            time.sleep(0.1)

    talk()
'''


def breaks_at(when: float) -> str:
    """A DAG file that can be imported until that time: what cannot be imported is not published."""
    return f'''"""It stands on something that goes away."""

import time

from airflow.sdk import DAG

with DAG("watched_broken", schedule=None):
    pass

if time.time() > {when}:
    raise RuntimeError("what it stands on is gone")
'''

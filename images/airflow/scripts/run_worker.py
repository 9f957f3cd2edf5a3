"""Run `airflow celery worker`, and leave a sign of life in a file: `run_worker.py ARGUMENT...`.

Celery sends a heartbeat through Redis every two seconds. `celery inspect ping` asks the same, but loads
all of Airflow for it, for seconds and in every pod; a probe that compares a file's age with the clock costs nothing.
"""

import sys
from pathlib import Path

import task_lines

SIGN_OF_LIFE = Path("/tmp/celery-heartbeat")


def beat(**_: object) -> None:
    """The worker has reached Redis."""
    SIGN_OF_LIFE.touch()


def main(arguments: list[str]) -> None:
    """Arguments are those of `airflow celery worker`."""
    from celery.signals import heartbeat_sent

    heartbeat_sent.connect(beat, weak=False)
    from airflow.__main__ import main as airflow

    task_lines.name()
    sys.argv = ["airflow", "celery", "worker", *arguments]
    airflow()


if __name__ == "__main__":
    main(sys.argv[1:])

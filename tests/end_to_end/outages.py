"""What an environment of the sandbox stands on, taken away for a while."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.end_to_end.kit import Kit


@contextmanager
def scaled_to_none(kit: Kit, *names: str) -> Iterator[None]:
    """No pod of these (`deployment/airflow-api-server`) while the block lasts."""
    kit.kubectl("-n", "airflow", "scale", "--replicas=0", *names)
    try:
        yield
    finally:
        kit.kubectl("-n", "airflow", "scale", "--replicas=1", *names)


@contextmanager
def stopped(kit: Kit, process: str) -> Iterator[None]:
    """A process of the sandbox that takes connections and answers nothing while the block lasts."""
    found = {item["name"]: item["pid"] for item in kit.json("sandbox", "status")["processes"]}
    pid = int(found[process])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)

"""What many DAG files cost: how long until the first of their DAGs and the last are there, and the dag-processor at rest."""

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.bench.airflow import Airflow, Node

_FILE = '''"""One of many."""

from datetime import datetime

from airflow.sdk import DAG, task

with DAG("many_{number:04}", schedule="@daily", start_date=datetime(2026, 1, 1), catchup=False):

    @task
    def extract() -> list[int]:
        return [1, 2, 3]

    @task
    def transform(rows: list[int]) -> int:
        return sum(rows)

    @task
    def load(total: int) -> None:
        print(total)

    load(transform(extract()))
'''

_PATIENCE_SECONDS = 900
_SETTLED_SECONDS = 30
_REST_SECONDS = 120
"""Several rounds of either chart's interval."""


@dataclass(frozen=True)
class Parsing:
    """What one installation's dag-processor needs."""

    first: float
    """Seconds from its container's start until the last DAG is in the database."""

    rest: float
    """Processors kept busy afterwards."""

    memory: float
    """MiB of its pod."""


def write(folder: Path, count: int) -> None:
    """So many files, each with a DAG of three tasks."""
    folder.mkdir()
    for number in range(count):
        (folder / f"many_{number:04}.py").write_text(_FILE.format(number=number))


def measure(node: Node, namespace: str, api: Airflow, count: int) -> Parsing:
    """Wait for all DAGs, then look at the dag-processor for some minutes."""
    begun = time.monotonic()
    while len([name for dag in api.dags() if (name := dag["dag_id"]).startswith("many_")]) < count:
        if time.monotonic() - begun > _PATIENCE_SECONDS:
            raise TimeoutError(f"{namespace} has not parsed {count} files")
        time.sleep(2)
    first = (api.newest_version() - _started(node, namespace)).total_seconds()
    time.sleep(_SETTLED_SECONDS)
    before, at = node.processor_seconds(namespace, "dag-processor"), time.monotonic()
    time.sleep(_REST_SECONDS)
    spent = node.processor_seconds(namespace, "dag-processor") - before
    return Parsing(
        first, spent / (time.monotonic() - at), node.working_set(namespace, "dag-processor")
    )


def _started(node: Node, namespace: str) -> datetime:
    """When the dag-processor's container did."""
    for pod in node.kubectl("-n", namespace, "get", "pods", "-o", "json")["items"]:
        if "dag-processor" in pod["metadata"]["name"]:
            state = pod["status"]["containerStatuses"][0]["state"]
            return datetime.fromisoformat(state["running"]["startedAt"])
    raise LookupError(f"{namespace} has no dag-processor")

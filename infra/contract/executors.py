"""Airflow's executors: which pods each needs, where its tasks run, and so how they are brought to their end.

The table is `charts/airflow/executors.json`, because the chart must work without this package.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TABLE = Path(__file__).resolve().parents[2] / "charts" / "airflow" / "executors.json"

DEFAULT: Final = "KubernetesExecutor"

SCHEDULER: Final = "scheduler"


@dataclass(frozen=True)
class Executor:
    """One executor, as a row of the table."""

    name: str

    components: tuple[str, ...]
    """The pods that are always there, by the value of their component label."""

    runs_tasks: str
    """The component of the pods in which tasks run."""

    kubernetes_token: tuple[str, ...]
    """The components that get a token for the Kubernetes API: they start and watch pods."""

    parallelism: int
    """How many tasks may run at once, unless the chart's values say otherwise."""

    @property
    def task_pods(self) -> bool:
        """Whether each task has a pod of its own: it is over when that pod is. If not, only Airflow knows."""
        return self.runs_tasks not in self.components

    @property
    def in_scheduler(self) -> bool:
        """Whether the scheduler runs tasks itself: it must not end before they do."""
        return self.runs_tasks == SCHEDULER


EXECUTORS: Mapping[str, Executor] = {
    name: Executor(
        name,
        tuple(row["components"]),
        row["runsTasks"],
        tuple(row["kubernetesToken"]),
        row["parallelism"],
    )
    for name, row in json.loads(TABLE.read_text()).items()
}

COMPONENTS: Final = tuple(
    dict.fromkeys(name for executor in EXECUTORS.values() for name in executor.components)
)
"""The components of all executors."""

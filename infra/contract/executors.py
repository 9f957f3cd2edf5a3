"""Airflow's executors: which pods each needs, where its tasks run, and so how they are brought to their end.

The table is `charts/airflow/executors.json`, because the chart must work without this package. An environment
may have several at once, as Airflow writes them: `A,B`, the first for tasks that name none.
"""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Final

TABLE = Path(__file__).resolve().parents[2] / "charts" / "airflow" / "executors.json"

DEFAULT: Final = "KubernetesExecutor"

SCHEDULER: Final = "scheduler"
REDIS: Final = "redis"
REDIS_SERVICE: Final = "airflow-redis"
"""The Service that charts/airflow makes for it, in Airflow's own namespace."""

FLOWER: Final = "flower"


@dataclass(frozen=True)
class Executor:
    """One executor, as a row of the table, or several as one."""

    name: str

    classes: tuple[str, ...]
    """What Airflow calls it. A profile such as `sequential` is one of Airflow's executors with other limits."""

    components: tuple[str, ...]
    """The pods that are always there, by the value of their component label."""

    runs_tasks: tuple[str, ...]
    """The components of the pods in which tasks run."""

    kubernetes_token: tuple[str, ...]
    """The components that get a token for the Kubernetes API: they start and watch pods."""

    parallelism: int
    """How many tasks may run at once, unless the chart's values say otherwise. Several have the smallest:
    Airflow has one number for each of them, and those in the scheduler's pod share its memory."""

    @property
    def task_pods(self) -> bool:
        """Whether tasks have pods of their own: such a task is over when its pod is."""
        return any(where not in self.components for where in self.runs_tasks)

    @property
    def task_hosts(self) -> tuple[str, ...]:
        """The components whose pods run many tasks, and outlive them: only Airflow knows when one is over."""
        return tuple(where for where in self.runs_tasks if where in self.components)

    @property
    def in_scheduler(self) -> bool:
        """Whether the scheduler runs tasks itself: it must not end before they do."""
        return SCHEDULER in self.runs_tasks

    @property
    def needs_redis(self) -> bool:
        """Whether tasks reach their workers through Redis."""
        return REDIS in self.components

    def __add__(self, other: "Executor") -> "Executor":
        return Executor(
            f"{self.name},{other.name}",
            self.classes + other.classes,
            tuple(dict.fromkeys(self.components + other.components)),
            tuple(dict.fromkeys(self.runs_tasks + other.runs_tasks)),
            tuple(dict.fromkeys(self.kubernetes_token + other.kubernetes_token)),
            min(self.parallelism, other.parallelism),
        )


EXECUTORS: Mapping[str, Executor] = {
    name: Executor(
        name,
        (row["class"],),
        tuple(row["components"]),
        (row["runsTasks"],),
        tuple(row["kubernetesToken"]),
        row["parallelism"],
    )
    for name, row in json.loads(TABLE.read_text()).items()
}

GONE: Mapping[str, str] = {
    "SequentialExecutor": "Airflow 3 has none: take sequential, which runs one task at a time in the "
    "scheduler's pod",
    "CeleryKubernetesExecutor": "Airflow 3 has none: take CeleryExecutor,KubernetesExecutor",
    "LocalKubernetesExecutor": "Airflow 3 has none: take LocalExecutor,KubernetesExecutor",
}
"""Executors of Airflow 2, each with what to take."""

COMPONENTS: Final = tuple(
    dict.fromkeys(name for executor in EXECUTORS.values() for name in executor.components)
)
"""The components of all executors."""


def executor(text: str) -> Executor:
    """What an environment with this setting has; KeyError if there is no such executor."""
    return reduce(Executor.__add__, (EXECUTORS[name] for name in text.split(",")))


def check(text: str) -> str | None:
    """What is wrong with the setting."""
    names = text.split(",")
    for name in names:
        if name in GONE:
            return f"must not name {name}: {GONE[name]}"
        if name not in EXECUTORS:
            near = difflib.get_close_matches(name, EXECUTORS, n=2)
            hint = f" (did you mean {' or '.join(near)}?)" if near else ""
            known = ", ".join(EXECUTORS)
            return f"must be one of {known}, or several with commas, not {name!r}{hint}"
    classes = executor(text).classes
    if twice := [name for name in dict.fromkeys(classes) if classes.count(name) > 1]:
        return f"must name {twice[0]} once only: {', '.join(names)} are the same to Airflow"
    if profiles := [
        name for name in names if name not in EXECUTORS[name].classes and len(names) > 1
    ]:
        return f"must name {profiles[0]} alone: it is one task at a time for the whole environment"
    return None

"""What one installation of Airflow needs for a task, a chain and twenty tasks at once: time and processor time."""

import json
import statistics
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cli.base import airflow

DAGS = Path(__file__).parent / "dags"
CHAIN, MAPPED, ONE = "bench_chain", "bench_mapped", "bench_one"

_POLL_SECONDS = 0.25
_RUN_SECONDS = 600
_IDLE_SECONDS = 20
_AFTERWARDS_SECONDS = 3
"""A task's pod still uploads its log when its run has ended: that is part of what the task costs."""


class Airflow(airflow.Airflow):
    """An Airflow that is measured."""

    def newest_version(self) -> datetime:
        """When the last version of any DAG was recorded. Their ids are in the order of time."""
        answer = self._send("GET", "/api/v2/dags/~/dagVersions?order_by=-id&limit=1")
        return _time(answer["dag_versions"][0]["created_at"])


@dataclass(frozen=True)
class Run:
    """A DAG run that has succeeded."""

    seconds: float
    """From the request to the end of the last task."""

    queued: float
    """The median of its tasks' seconds from queued to started."""

    cpu: float
    """Processor time of all pods for each task, without what they need when idle."""


@dataclass(frozen=True)
class Node:
    """The one node of a sandbox, whose control groups count what pods use, those that are gone included."""

    environment: Mapping[str, str]

    def kubectl(self, *arguments: str) -> Any:
        """The answer of `kubectl ARGUMENTS`, which is JSON."""
        done = subprocess.run(
            ["kubectl", *arguments],
            env=dict(self.environment),
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    @property
    def name(self) -> str:
        """Of the node, and of the control group that its pods are in."""
        return str(self.kubectl("get", "nodes", "-o", "json")["items"][0]["metadata"]["name"])

    def counter(self) -> Path:
        """The file with the processor time of all pods."""
        places = Path("/sys/fs/cgroup")
        found = [
            *places.glob(f"*/{self.name}/kubepods/cpuacct.usage"),
            *places.glob(f"{self.name}/kubepods/cpu.stat"),
        ]
        return found[0]

    def working_set(self, namespace: str, part: str = "") -> float:
        """MiB that the pods of a namespace hold, as the kubelet counts it; of those with `part` in their name."""
        pods = self._summary(namespace, part)
        return sum(pod.get("memory", {}).get("workingSetBytes", 0) for pod in pods) / 1024**2

    def processor_seconds(self, namespace: str, part: str) -> float:
        """What the pods with `part` in their name have used since they began."""
        return (
            sum(pod["cpu"]["usageCoreNanoSeconds"] for pod in self._summary(namespace, part)) / 1e9
        )

    def _summary(self, namespace: str, part: str) -> list[dict[str, Any]]:
        summary = self.kubectl("get", "--raw", f"/api/v1/nodes/{self.name}/proxy/stats/summary")
        return [
            pod
            for pod in summary["pods"]
            if pod["podRef"]["namespace"] == namespace and part in pod["podRef"]["name"]
        ]

    def stop(self, namespace: str, part: str) -> None:
        """No pod any more of the deployments with `part` in their name."""
        for one in self.kubectl("-n", namespace, "get", "deployments", "-o", "json")["items"]:
            if part in (name := one["metadata"]["name"]):
                scale = ("scale", f"deployment/{name}", "--replicas=0", "-o", "json")
                self.kubectl("-n", namespace, *scale)

    def first_start(self, namespace: str) -> float:
        """Seconds from the first pod of a namespace to the last that got ready; call it before any task has run."""
        pods = self.kubectl("-n", namespace, "get", "pods", "-o", "json")["items"]
        made = [_time(pod["metadata"]["creationTimestamp"]) for pod in pods]
        ready = [
            _time(condition["lastTransitionTime"])
            for pod in pods
            for condition in pod["status"]["conditions"]
            if condition["type"] == "Ready" and condition["status"] == "True"
        ]
        return (max(ready) - min(made)).total_seconds()


def processor_seconds(counter: Path) -> float:
    """What the file of a control group says, of either version."""
    text = counter.read_text()
    if counter.name == "cpuacct.usage":
        return int(text) / 1e9
    return int(dict(line.split() for line in text.splitlines())["usage_usec"]) / 1e6


def idle(counter: Path) -> float:
    """Processors that all pods keep busy while nothing is asked of them."""
    before = processor_seconds(counter)
    time.sleep(_IDLE_SECONDS)
    return (processor_seconds(counter) - before) / _IDLE_SECONDS


def run(airflow: Airflow, dag: str, counter: Path, at_rest: float) -> Run:
    """One run of a DAG of `dags/`, and what it took."""
    cpu, begun = processor_seconds(counter), time.monotonic()
    name = f"bench-{time.time_ns()}"
    asked = datetime.now().astimezone()
    airflow.trigger(dag, name)
    while (state := airflow.run_state(dag, name)) not in ("success", "failed"):
        if time.monotonic() - begun > _RUN_SECONDS:
            raise TimeoutError(f"{dag} has not ended after {_RUN_SECONDS} s: {state}")
        time.sleep(_POLL_SECONDS)
    tasks = airflow.tasks(dag, name)
    if state != "success":
        states = [(each["task_id"], each["state"]) for each in tasks]
        raise RuntimeError(f"{dag} failed at {airflow.url}: {states}")
    time.sleep(_AFTERWARDS_SECONDS)
    spent = processor_seconds(counter) - cpu - at_rest * (time.monotonic() - begun)
    waits = [
        (_time(task["start_date"]) - _time(task["queued_when"])).total_seconds() for task in tasks
    ]
    ended = max(_time(task["end_date"]) for task in tasks)
    return Run(
        (ended - asked).total_seconds(), statistics.median(waits), max(0.0, spent) / len(tasks)
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)

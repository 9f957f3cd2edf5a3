"""Pods that have imported Airflow already and wait for a task: the warm pool of the KubernetesExecutor.

Half of the time from queued to started is Python's, which imports Airflow. A pod of the pool has done that; it gets one task,
runs it as any task's pod does, and ends. So tasks share no more than they do without a pool.

A task gets a pod of the pool if the pod that would be made for it differs from it in nothing but the task: one with an
`executor_config` of its own, or that a `pod_mutation_hook` treats otherwise, gets its own. The executor hands the task over in
three steps: it connects to the pod, writes the task's labels and annotations to it, by which everything else knows a task's
pod, and sends the task. A pod that does not answer is left out before anything is written.

The pods belong to the scheduler's pod until they have a task: Kubernetes removes them with it. They never stand in the way: once
Kubernetes refuses a task's pod, or has no room for it, the pool goes, and comes back later.
"""

from __future__ import annotations

import logging
import secrets
import socket
import time
from contextlib import closing
from copy import deepcopy
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any

from await_task import PORT, TOKEN
from kubernetes.client.rest import ApiException

LABEL = "aerodrome/warm-pool"
"""On a pod without a task; its value is the scheduler's pod."""

EXECUTE = ["python", "-m", "airflow.sdk.execution_time.execute_workload", "--json-string"]
"""How Airflow starts a task in its pod; the workload follows."""

SCRIPT = "/opt/airflow/scripts/await_task.py"

TASK = frozenset(("dag_id", "task_id", "run_id", "try_number", "map_index", "logical_date"))
"""Annotations by which Airflow knows the pod of a task again."""

KEPT = "karpenter.sh/do-not-disrupt"
EVICTABLE = "cluster-autoscaler.kubernetes.io/safe-to-evict"
"""Annotations by which autoscalers know whether a node may go from under a pod: the chart says no for tasks' pods."""

TASK_LABELS = TASK | {"airflow-worker", "airflow_version", "kubernetes_executor"}

TURN = 1.0
"""Seconds between two looks at the pool."""

AT_ONCE = 2
"""Pods of the pool that start side by side: they compete for processors with tasks, for whose sake they are there."""

ABSENCE = 60.0
"""Seconds that the pool is away after a task's pod found no room."""

CONNECT_SECONDS, ANSWER_SECONDS = 0.3, 5.0

Object = dict[str, Any]

log = logging.getLogger(__name__)


class WarmPool:
    """So many pods that wait for a task. Its methods take and make Kubernetes' objects as the API server sends them."""

    def __init__(self, api: Any, size: int, scheduler: Object, port: int = PORT) -> None:
        """`api` is a CoreV1Api, `scheduler` the pod of this process."""
        self._api = api
        self._size = size
        self._port = port
        self._scheduler = scheduler["metadata"]
        self._namespace = self._scheduler["namespace"]
        self._model: Object | None = None
        self._tokens: dict[str, str] = {}
        self._ready: dict[str, Object] = {}
        self._next_turn = 0.0
        self._written = "0"

    def learn(self, pod: Object) -> None:
        """Take the pod of a task without an `executor_config` as the model of the pool's."""
        if self._model is None and _is_workload(pod):
            self._model = without_task(pod)

    def hand_over(self, pod: Object) -> bool:
        """Whether a pod of the pool has the task for which this pod would be made."""
        if not self._ready or not _is_workload(pod) or without_task(pod) != self._model:
            return False
        while self._ready:
            name, found = self._ready.popitem()
            token = self._tokens.pop(name)
            address = found["status"]["podIP"]
            with closing(
                HTTPConnection(address, self._port, timeout=CONNECT_SECONDS)
            ) as connection:
                try:
                    connection.connect()
                except OSError as error:
                    log.warning("The waiting pod %s does not answer (%s)", name, error)
                    self._delete(name)
                    continue
                if self._claim(found, pod):
                    self._send(connection, token, name, _container(pod)["args"][-1])
                    return True
        return False

    def tend(self) -> None:
        """Look which pods are ready, remove those of no use, make those that are missing."""
        now = time.monotonic()
        if self._model is None or now < self._next_turn:
            return
        self._next_turn = now + TURN
        try:
            waiting = {pod["metadata"]["name"]: pod for pod in self._list()}
            self._ready = {name: pod for name, pod in self._ready.items() if name in waiting}
            for name, pod in waiting.items():
                phase = pod.get("status", {}).get("phase")
                if name not in self._tokens or phase in ("Succeeded", "Failed"):
                    self._delete(name)
                elif name not in self._ready and phase == "Running" and self._listens(pod):
                    self._ready[name] = pod
            for name in self._tokens.keys() - waiting.keys():
                del self._tokens[name]
            starting = len(self._tokens) - len(self._ready)
            for _ in range(min(self._size - len(self._tokens), AT_ONCE - starting)):
                self._make()
        except Exception as error:
            # The tasks' own pods are what matters: the pool is not to end the scheduler.
            log.warning("The warm pool is not looked after for %.0f s: %s", ABSENCE, error)
            self._next_turn = now + ABSENCE

    def give_way(self) -> None:
        """Remove the pods that wait, for a task's pod that finds no room; come back later."""
        if self._tokens:
            log.info("The warm pool makes room for tasks' pods, for %.0f s", ABSENCE)
        self.end()
        self._next_turn = time.monotonic() + ABSENCE

    def end(self) -> None:
        """Remove the pods that wait."""
        for name in list(self._tokens):
            self._delete(name)

    def _list(self) -> list[Object]:
        # From the API server's memory, but not from before the pool's own last change: a pod that it has just made would
        # be made again, and one that has just got its task would be taken for one of nobody's and removed.
        found = self._api.list_namespaced_pod(
            self._namespace,
            label_selector=f"{LABEL}={self._scheduler['name']}",
            resource_version=self._written,
            resource_version_match="NotOlderThan",
        )
        pods: list[Object] = self._api.api_client.sanitize_for_serialization(found)["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def _make(self) -> None:
        assert self._model is not None
        pod = deepcopy(self._model)
        token = secrets.token_urlsafe(32)
        name = f"warm-{secrets.token_hex(5)}"
        annotations = pod["metadata"].get("annotations", {})
        pod["metadata"] |= {
            "name": name,
            # A pod without a task holds no node. Without a word from it the Cluster Autoscaler would leave it where it is,
            # because no controller makes it anew.
            "annotations": {
                **{key: value for key, value in annotations.items() if key != KEPT},
                EVICTABLE: "true",
            },
            "labels": {**pod["metadata"].get("labels", {}), LABEL: self._scheduler["name"]},
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "name": self._scheduler["name"],
                    "uid": self._scheduler["uid"],
                }
            ],
        }
        container = _container(pod)
        container["args"] = ["python", SCRIPT]
        container["env"] = [*container.get("env", []), {"name": TOKEN, "value": token}]
        self._tokens[name] = token
        try:
            made = self._api.create_namespaced_pod(self._namespace, pod)
            self._written = made.metadata.resource_version
        except BaseException:
            del self._tokens[name]
            raise

    def _listens(self, pod: Object) -> bool:
        address = pod.get("status", {}).get("podIP")
        if not address:
            return False
        try:
            socket.create_connection((address, self._port), CONNECT_SECONDS).close()
        except OSError:
            return False
        return True

    def _claim(self, found: Object, pod: Object) -> bool:
        """Write to a pod of the pool whose it is. Not if somebody has removed it or changed it in the meantime."""
        name = found["metadata"]["name"]
        claim = {
            "metadata": {
                "uid": found["metadata"]["uid"],
                "labels": {**pod["metadata"]["labels"], LABEL: None},
                # From here on what the chart says for a task's pod holds: its node stays.
                "annotations": {EVICTABLE: None, **pod["metadata"]["annotations"]},
                "ownerReferences": None,
            }
        }
        try:
            claimed = self._api.patch_namespaced_pod(name, self._namespace, claim)
            self._written = claimed.metadata.resource_version
        except ApiException as error:
            log.warning("The waiting pod %s cannot be taken: %s", name, error.reason)
            self._delete(name)
            return False
        return True

    def _send(self, connection: HTTPConnection, token: str, name: str, workload: str) -> None:
        """Without an answer the pod goes: it has the task's annotations, so the executor makes another for the task."""
        try:
            connection.sock.settimeout(ANSWER_SECONDS)
            connection.request("POST", "/", workload, {"Authorization": f"Bearer {token}"})
            status = connection.getresponse().status
            if status == HTTPStatus.ACCEPTED:
                return
            log.error("The waiting pod %s refuses its task: %s", name, status)
        except (OSError, HTTPException) as error:
            log.error("The waiting pod %s does not take its task: %s", name, error)
        self._delete(name)

    def _delete(self, name: str) -> None:
        self._tokens.pop(name, None)
        self._ready.pop(name, None)
        try:
            self._api.delete_namespaced_pod(name, self._namespace, grace_period_seconds=0)
        except Exception as error:
            # Removed at the next turn, or by Kubernetes when its owner goes.
            if getattr(error, "status", None) != HTTPStatus.NOT_FOUND:
                log.warning("The waiting pod %s cannot be removed: %s", name, error)


def without_task(pod: Object) -> Object:
    """The pod as it would be for every other task that asks for nothing special."""
    found = deepcopy(pod)
    metadata = found["metadata"]
    del metadata["name"]
    for part, keys in (("labels", TASK_LABELS), ("annotations", TASK)):
        kept = {key: value for key, value in metadata.get(part, {}).items() if key not in keys}
        metadata[part] = kept
    del _container(found)["args"]
    return found


def _is_workload(pod: Object) -> bool:
    """Whether it runs what a waiting pod can run."""
    return _container(pod).get("args", [])[:-1] == EXECUTE


def _container(pod: Object) -> Object:
    container: Object = next(one for one in pod["spec"]["containers"] if one["name"] == "base")
    return container

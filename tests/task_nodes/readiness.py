"""Every state that a cluster's pods go through, from the API server's own events: what a look from time to time would miss."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

from cli.operations.live import COMPONENT_LABEL
from tests.task_nodes.api import Api
from tests.task_nodes.machines import until

PODS = "/api/v1/pods"
MARK = "/api/v1/namespaces/default/pods"
Component = tuple[str, str]
"""Namespace and component."""


@dataclass
class Readiness:
    """Within a `with`: how many pods of each component were ready at least, and which pods were told to go."""

    api: Api
    fewest: dict[Component, int] = field(default_factory=dict)
    told_to_go: list[str] = field(default_factory=list)
    """As NAMESPACE/NAME, in order."""

    _ready: dict[str, Component] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def __enter__(self) -> Self:
        found = self.api.get(PODS)
        for pod in found["items"]:
            self._take("ADDED", pod)
        self.fewest = dict(Counter(self._ready.values()))
        since = found["metadata"]["resourceVersion"]
        threading.Thread(target=self._run, args=(since,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        # When the last event is known, those before it are.
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "last"},
            "spec": {"schedulerName": "none", "containers": [{"name": "c", "image": "i"}]},
        }
        self.api.post(MARK, body)
        try:
            until(30, "all events are seen", lambda: "default/last" in self._seen, pause=0.1)
        finally:
            self.api.delete(f"{MARK}/last?gracePeriodSeconds=0")

    def _run(self, since: str) -> None:
        for event in self.api.watch(PODS, since):
            self._take(event["type"], event["object"])
            if "default/last" in self._seen:
                return

    def _take(self, kind: str, pod: dict[str, Any]) -> None:
        metadata = pod["metadata"]
        key = f"{metadata['namespace']}/{metadata['name']}"
        going = "deletionTimestamp" in metadata or kind == "DELETED"
        if going and key not in self.told_to_go:
            self.told_to_go.append(key)
        component = (metadata["namespace"], metadata.get("labels", {}).get(COMPONENT_LABEL, ""))
        if not going and is_ready(pod):
            self._ready[key] = component
        elif key in self._ready:
            component = self._ready.pop(key)
            left = sum(one == component for one in self._ready.values())
            self.fewest[component] = min(self.fewest.get(component, left), left)
        self._seen.add(key)


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any((one["type"], one["status"]) == ("Ready", "True") for one in conditions)

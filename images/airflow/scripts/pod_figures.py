"""What a task's pod tells of itself as metrics: how long it took to start, that it was killed for its memory, that it was evicted.

`task_pods.py` sends them. Neither Airflow nor a client of Kubernetes is needed here.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

STARTED, OOM_KILLED, EVICTED = "pod.start", "pod.oom_killed", "pod.evicted"
"""Names of metrics."""


class Figures:
    """Each figure of each pod once, of however many events of it."""

    def __init__(self) -> None:
        self._sent: set[tuple[str, str]] = set()

    def of(self, event: Mapping[str, Any]) -> Iterator[tuple[str, timedelta | None]]:
        """The names of metrics that an event of a pod is the first to tell of, with how long it took.

        A watch begins with the pods that are there: what those tell has been sent before.
        """
        pod, kind = event["raw_object"], event["type"]
        uid = str(pod.get("metadata", {}).get("uid"))
        for name, value in _told(pod):
            new = (uid, name) not in self._sent
            self._sent.add((uid, name))
            if new and kind == "MODIFIED":
                yield name, value
        if kind == "DELETED":
            self._sent -= {(uid, name) for name in (STARTED, OOM_KILLED, EVICTED)}


def _told(pod: Mapping[str, Any]) -> Iterator[tuple[str, timedelta | None]]:
    status = pod.get("status", {})
    states = [one.get("state") or {} for one in status.get("containerStatuses") or []]
    begun = [one.get("running") or one.get("terminated") or {} for one in states]
    if begun and all(one.get("startedAt") for one in begun):
        last = max(_time(one["startedAt"]) for one in begun)
        yield STARTED, last - _time(pod["metadata"]["creationTimestamp"])
    if any((one.get("terminated") or {}).get("reason") == "OOMKilled" for one in states):
        yield OOM_KILLED, None
    if status.get("reason") == "Evicted" or _is_disrupted(status):
        yield EVICTED, None


def _is_disrupted(status: Mapping[str, Any]) -> bool:
    """Kubernetes takes the pod away: a node is drained, is gone, or its place is needed."""
    conditions = status.get("conditions") or []
    return any(
        one.get("type") == "DisruptionTarget" and one.get("status") == "True" for one in conditions
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))

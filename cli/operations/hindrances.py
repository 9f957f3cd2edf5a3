"""Why pods in the making will never be ready: a Job that failed, an image that cannot be had.

Helm waits for a quarter of an hour, then says that its time was up, and takes the Job away with its log. So
the cluster is looked at while Pulumi works; what was so before it began is no reason to stop it.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cli.base.errors import KitError
from cli.cloud.kubernetes import Kubernetes, Object
from infra.contract import existing_server
from infra.contract.naming import LABEL_ENVIRONMENT, Names

PAUSE_SECONDS = 3.0

_NOT_PULLED = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
_NOT_THERE = ("not found", "manifest unknown", "does not exist", "couldn't parse", "is not present")
"""What registries say of an image that another try will not find either; all else may pass."""


@dataclass(frozen=True)
class Where:
    """Pods and Jobs of an environment: in a namespace, those with certain labels."""

    namespace: str
    selector: str = ""


def places(names: Names, base: str) -> list[Where]:
    """Where the pods of an environment are: also what makes and drops its database, beside that of `base`."""
    own = Where(names.namespace)
    if names.existing_server:
        return [own, Where(existing_server.NAMESPACE)]
    selector = f"{LABEL_ENVIRONMENT}={names.environment}"
    return [own, Where(Names(base).namespace, selector)] if base else [own]


@dataclass
class Watch:
    """Looks again and again, until it has found a reason."""

    look: Callable[[], dict[str, str]]
    """The reasons, each by what it is about."""

    pause: float = PAUSE_SECONDS
    reason: str = ""
    _ended: threading.Event = field(default_factory=threading.Event)
    _before: set[str] | None = None

    def run(self) -> None:
        while not self.reason and not self._ended.is_set():
            try:
                found = self.look()
            except KitError:
                # No cluster yet, or none that answers: Pulumi will say so.
                found = {}
            if self._before is None:
                self._before = set(found)
            new = [text for key, text in found.items() if key not in self._before]
            self.reason = new[0] if new else ""
            self._ended.wait(self.pause)

    def end(self) -> None:
        self._ended.set()


@contextmanager
def watched(kubernetes: Callable[[], Kubernetes], places: Sequence[Where]) -> Iterator[Watch]:
    """A watch that lasts as long as the block."""
    watch = Watch(lambda: look(kubernetes(), places))
    thread = threading.Thread(target=watch.run, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.end()
        thread.join()


def look(kubernetes: Kubernetes, places: Sequence[Where]) -> dict[str, str]:
    """What will not be ready, by its identity, each with the reason in one line."""
    found = {}
    for place in places:
        pods = kubernetes.objects("pods", selector=place.selector, namespace=place.namespace)
        jobs = kubernetes.objects("jobs", selector=place.selector, namespace=place.namespace)
        for job in jobs:
            if "Failed" in conditions(job):
                found[job["metadata"]["uid"]] = _why(job, pods)
        for pod in pods:
            # A task's pod has no owner; whether its image can be had is the task's affair.
            if pod["metadata"].get("ownerReferences") and (why := _not_pulled(pod)):
                found[pod["metadata"]["uid"]] = why
    return found


def conditions(item: Object) -> set[str]:
    """The types of the conditions that hold for an object."""
    found = (item.get("status") or {}).get("conditions") or ()
    return {str(each["type"]) for each in found if each["status"] == "True"}


def waiting(pod: Object) -> Iterator[tuple[Object, Object]]:
    """The statuses of a pod's containers that wait, each with what it waits for: `reason` and `message`."""
    status = pod.get("status") or {}
    for kind in ("initContainerStatuses", "containerStatuses"):
        for each in status.get(kind) or ():
            if found := (each.get("state") or {}).get("waiting"):
                yield each, found


def _why(job: Object, pods: Sequence[Object]) -> str:
    """The last line of its last try."""
    own = [pod for pod in pods if _owner(pod) == job["metadata"]["uid"]]
    own.sort(key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True)
    line = next(filter(None, map(_last_line, own)), "its pods are gone, and say no more")
    return f"Job {job['metadata']['name']} failed: {line}"


def _owner(pod: Object) -> str:
    owners = pod["metadata"].get("ownerReferences") or [{}]
    return str(owners[0].get("uid", ""))


def _last_line(pod: Object) -> str:
    for status in pod.get("status", {}).get("containerStatuses") or ():
        ended: dict[str, Any] = status.get("state", {}).get("terminated") or {}
        lines = [line.strip() for line in str(ended.get("message", "")).splitlines()]
        if text := next((line for line in reversed(lines) if line), ""):
            return text
        if ended.get("exitCode"):
            return f"{ended.get('reason', 'Error')}, exit code {ended['exitCode']}"
    return ""


def _not_pulled(pod: Object) -> str:
    for status, why in waiting(pod):
        message = " ".join(str(why.get("message", "")).split())
        if why.get("reason") in _NOT_PULLED and any(text in message for text in _NOT_THERE):
            return (
                f"Pod {pod['metadata']['name']} cannot get its image {status['image']}: {message}"
            )
    return ""

"""What the clusters of many environments say of them: each cluster is asked once for all of its environments.

A base with 200 branches is one cluster. Asked for each of them, there would be 200 logins, 400 questions for the kinds
that it knows and 200 forwarded ports.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from cli.base.errors import KitError
from cli.cloud.kubernetes import Kubernetes, Object
from cli.cloud.kubernetes.errors import FORBIDDEN, Refused
from cli.operations.live import COMPONENT_LABEL, SERVING, Live

UI: Final = "api-server"
"""The component that has the Service of the UI."""

WORKLOADS: Final = "deployments,statefulsets"

Grouped = Mapping[str, Sequence[Object]]
"""Objects by their namespace."""


class Clusters:
    """The clusters that were met so far. Threads share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first: dict[str, Kubernetes] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._answers: dict[tuple[str, str], Grouped | KitError] = {}

    def addresses(self, live: Live) -> tuple[str, ...]:
        """Where the UI of an environment answers; none if only a forwarded port leads there. KitError if its cluster does
        not say."""

        def find(name: str) -> Object | None:
            found = self._objects(live, "services", f"{COMPONENT_LABEL}={UI}")
            return next((one for one in found if one["metadata"]["name"] == name), None)

        return live.addresses_by(find)

    def readiness(self, live: Live) -> dict[str, str]:
        """Of each of its components: `healthy` if Kubernetes has all of its pods ready, or how many it has."""
        components = f"{COMPONENT_LABEL} in ({','.join(SERVING)})"
        return {
            str(one["metadata"]["labels"][COMPONENT_LABEL]): _readiness(one)
            for one in self._objects(live, WORKLOADS, components)
        }

    def _objects(self, live: Live, kinds: str, selector: str) -> Sequence[Object]:
        """Those of one environment."""
        kubernetes = self._cluster(live.kubernetes)
        space = live.names.namespace
        try:
            everywhere = self._once(
                (str(kubernetes.kubeconfig), kinds),
                lambda: kubernetes.objects(kinds, selector=selector, everywhere=True),
            )
        except Refused as error:
            if error.status != FORBIDDEN:
                raise
            # Whoever may look into some namespaces only looks into one after the other.
            return kubernetes.objects(kinds, selector=selector, namespace=space)
        return everywhere.get(space, ())

    def _cluster(self, kubernetes: Kubernetes) -> Kubernetes:
        """The first that was met with this kubeconfig: it has the connection, and the login."""
        with self._lock:
            return self._first.setdefault(str(kubernetes.kubeconfig), kubernetes)

    def _once(self, key: tuple[str, str], ask: Callable[[], Sequence[Object]]) -> Grouped:
        """An answer, or the reason why there is none: a cluster that is away is waited for once."""
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._answers:
                try:
                    self._answers[key] = _by_namespace(ask())
                except KitError as error:
                    self._answers[key] = error
        answer = self._answers[key]
        if isinstance(answer, KitError):
            raise answer
        return answer


def _by_namespace(objects: Sequence[Object]) -> Grouped:
    found: dict[str, list[Object]] = {}
    for one in objects:
        found.setdefault(str(one["metadata"]["namespace"]), []).append(one)
    return found


def _readiness(workload: Mapping[str, Any]) -> str:
    wanted = int(workload["spec"].get("replicas", 1))
    ready = int((workload.get("status") or {}).get("readyReplicas") or 0)
    return "healthy" if ready >= wanted else f"has {ready} of {wanted} pods ready"

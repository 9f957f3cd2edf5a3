"""When an object counts as ready: a table of live objects."""

from typing import Any

import pytest

from sandbox.providers.kubernetes.kinds import Kind
from sandbox.providers.kubernetes.readiness import State, assess, is_awaited

READY, WAITING, FAILED = State.READY, State.WAITING, State.FAILED


class Neighbours:
    """A lookup that knows what it was given."""

    def __init__(self, *objects: dict[str, Any]) -> None:
        self._objects = objects

    def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        return next((o for o in self._objects if o.get("name") == name), None)

    def find(self, kind: Kind, namespace: str, **selectors: str) -> list[dict[str, Any]]:
        return list(self._objects)


def live(kind: str, status: dict[str, Any], **spec: Any) -> dict[str, Any]:
    version = {
        "Deployment": "apps/v1",
        "StatefulSet": "apps/v1",
        "DaemonSet": "apps/v1",
        "Job": "batch/v1",
        "Ingress": "networking.k8s.io/v1",
        "CustomResourceDefinition": "apiextensions.k8s.io/v1",
    }.get(kind, "v1")
    metadata = {"name": "it", "namespace": "n", "generation": 2}
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": metadata,
        "spec": spec,
        "status": status,
    }


def conditions(**values: str) -> dict[str, Any]:
    return {"conditions": [{"type": key, "status": value} for key, value in values.items()]}


SEEN = {"observedGeneration": 2}
ALL = SEEN | {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2}
LATE = {"conditions": [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]}
SAME = {"currentRevision": "a", "updateRevision": "a"}
ADDRESS = {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}

CASES = [
    (live("Deployment", ALL, replicas=2), READY),
    (live("Deployment", ALL | {"observedGeneration": 1}, replicas=2), WAITING),
    (live("Deployment", ALL | {"updatedReplicas": 1}, replicas=2), WAITING),
    (live("Deployment", ALL | {"replicas": 3}, replicas=2), WAITING),
    (live("Deployment", ALL | {"availableReplicas": 1}, replicas=2), WAITING),
    (live("Deployment", ALL | LATE, replicas=2), FAILED),
    (live("Deployment", SEEN, replicas=0), READY),
    (live("StatefulSet", ALL | SAME, replicas=2), READY),
    (live("StatefulSet", ALL | {"readyReplicas": 1} | SAME, replicas=2), WAITING),
    (live("StatefulSet", ALL | SAME | {"updateRevision": "b"}, replicas=2), WAITING),
    (live("StatefulSet", ALL, replicas=2, updateStrategy={"type": "OnDelete"}), READY),
    (live("DaemonSet", SEEN | {"desiredNumberScheduled": 1}), WAITING),
    (
        live(
            "DaemonSet",
            SEEN | {"desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1},
        ),
        READY,
    ),
    (live("Job", conditions(Complete="True")), READY),
    (live("Job", conditions(Failed="True")), FAILED),
    (live("Job", {}, suspend=True), READY),
    (live("Job", {}), WAITING),
    (live("Pod", {"phase": "Running"} | conditions(Ready="True")), READY),
    (live("Pod", {"phase": "Running"} | conditions(Ready="False")), WAITING),
    (live("Pod", {"phase": "Succeeded"}), READY),
    (live("Pod", {"phase": "Failed", "reason": "Evicted"}), FAILED),
    (live("PersistentVolumeClaim", {"phase": "Bound"}), READY),
    (live("PersistentVolumeClaim", {"phase": "Pending"}), WAITING),
    (live("PersistentVolumeClaim", {"phase": "Lost"}), FAILED),
    (live("Service", {}, selector={"a": "b"}, clusterIP="1.2.3.4"), WAITING),
    (live("Service", {}, selector={"a": "b"}, clusterIP="None"), READY),
    (live("Service", {}, type="ExternalName"), READY),
    (live("Service", {}, type="LoadBalancer"), WAITING),
    (live("Service", ADDRESS, type="LoadBalancer"), READY),
    (live("Ingress", {}), WAITING),
    (live("Ingress", ADDRESS), READY),
    (live("CustomResourceDefinition", conditions(Established="True")), READY),
    (live("CustomResourceDefinition", {}), WAITING),
    (live("ConfigMap", {}), READY),
]


@pytest.mark.parametrize(("found", "state"), CASES)
def test_states(found: dict[str, Any], state: State) -> None:
    result = assess(found, Neighbours())
    assert result.state is state
    assert bool(result.reason) == (state is not READY)


def test_a_claim_that_waits_for_its_first_pod_is_ready() -> None:
    found = live("PersistentVolumeClaim", {"phase": "Pending"}, storageClassName="gp3")
    late = {"name": "gp3", "volumeBindingMode": "WaitForFirstConsumer"}
    assert assess(found, Neighbours(late)).state is READY


@pytest.mark.parametrize(("ready", "state"), [(True, READY), (False, WAITING)])
def test_a_service_needs_a_ready_pod(ready: bool, state: State) -> None:
    found = live("Service", {}, selector={"a": "b"}, clusterIP="1.2.3.4")
    endpoints = {"endpoints": [{"conditions": {"ready": ready}}]}
    assert assess(found, Neighbours(endpoints)).state is state


def test_what_is_awaited() -> None:
    assert is_awaited(live("Deployment", {}))
    assert not is_awaited(live("ConfigMap", {}))

"""Every kind that is awaited, on a real kube-apiserver: waited for, then ready, or failed."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.errors import PartiallyCreated
from sandbox.providers.kubernetes.client import Client
from sandbox.providers.kubernetes.kinds import Kind
from sandbox.providers.kubernetes.transport import Request
from tests.unit.sandbox.providers.kubernetes.conftest import Engine

Object = dict[str, Any]

LABELS = {"app": "it"}
TEMPLATE = {
    "metadata": {"labels": LABELS},
    "spec": {"containers": [{"name": "c", "image": "x"}], "restartPolicy": "Never"},
}
ALWAYS = {**TEMPLATE, "spec": {"containers": [{"name": "c", "image": "x"}]}}
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
REPLICAS = {"observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1}
NOW = "2026-01-01T00:00:00Z"

SET = ("kubernetes:apps/v1:StatefulSet", "apps/v1", "statefulsets")
JOB = ("kubernetes:batch/v1:Job", "batch/v1", "jobs")
VOLUME_CLAIM = ("kubernetes:core/v1:PersistentVolumeClaim", "v1", "persistentvolumeclaims")
SERVICE = ("kubernetes:core/v1:Service", "v1", "services")

SPECS: dict[str, Object] = {
    "statefulsets": {
        "serviceName": "it",
        "replicas": 1,
        "selector": {"matchLabels": LABELS},
        "template": ALWAYS,
    },
    "jobs": {"template": TEMPLATE},
    "persistentvolumeclaims": CLAIM,
    "services": {"type": "LoadBalancer", "ports": [{"port": 80}]},
}

READY = [
    (*SET, REPLICAS | {"currentRevision": "a", "updateRevision": "a"}),
    (
        *JOB,
        {
            "startTime": NOW,
            "completionTime": NOW,
            "succeeded": 1,
            "conditions": [
                {"type": "SuccessCriteriaMet", "status": "True"},
                {"type": "Complete", "status": "True"},
            ],
        },
    ),
    (*VOLUME_CLAIM, {"phase": "Bound"}),
    (*SERVICE, {"loadBalancer": {"ingress": [{"ip": "10.0.0.1", "ipMode": "VIP"}]}}),
]

FAILED = [
    (
        *JOB,
        {
            "startTime": NOW,
            "conditions": [
                {"type": "FailureTarget", "status": "True"},
                {
                    "type": "Failed",
                    "status": "True",
                    "reason": "BackoffLimitExceeded",
                    "message": "too many",
                },
            ],
        },
        "BackoffLimitExceeded: too many",
    ),
    (*VOLUME_CLAIM, {"phase": "Lost"}, "its volume is lost"),
]

WAITING = [
    (*SET, "its controller has not seen the change yet"),
    (*JOB, "0 of 1 pods have succeeded"),
    (*VOLUME_CLAIM, "the claim is Pending"),
    (*SERVICE, "its load balancer has no address"),
]


def body(plural: str, namespace: str) -> Object:
    annotations = {"pulumi.com/deletionPropagationPolicy": "background"}
    metadata = {"namespace": namespace, "name": "it", "annotations": annotations}
    return {"metadata": metadata, "spec": SPECS[plural]}


Later = Callable[[str, str, Object], None]


@pytest.fixture
def later(client: Client, namespace: str) -> Iterator[Later]:
    """Plays the controller: writes a status as soon as the object is there."""
    threads = []

    def write(api: str, plural: str, status: Object) -> None:
        prefix = f"/apis/{api}" if "/" in api else f"/api/{api}"
        names = {row[2]: row[0].rpartition(":")[2] for row in WAITING}
        while client.get(Kind(api, names[plural]), namespace, "it") is None:
            time.sleep(0.05)
        path = f"{prefix}/namespaces/{namespace}/{plural}/it/status"
        merge = "application/merge-patch+json"
        client.transport.json(Request("PATCH", path, {}, {"status": status}, merge))

    def start(api: str, plural: str, status: Object) -> None:
        thread = threading.Thread(target=write, args=(api, plural, status))
        thread.start()
        threads.append(thread)

    yield start
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(("token", "api", "plural", "status"), READY)
def test_it_is_ready_when_its_status_says_so(
    engine: Engine,
    namespace: str,
    later: Later,
    token: str,
    api: str,
    plural: str,
    status: Object,
) -> None:
    later(api, plural, status)
    made = engine.create(token, "it", body(plural, namespace), timeout=60)
    found = made.outputs["status"]
    assert {key: found.get(key) for key in status if key != "conditions"} == {
        key: value for key, value in status.items() if key != "conditions"
    }


@pytest.mark.parametrize(("token", "api", "plural", "status", "reason"), FAILED)
def test_it_fails_at_once_when_it_can_not_get_ready(
    engine: Engine,
    namespace: str,
    later: Later,
    token: str,
    api: str,
    plural: str,
    status: Object,
    reason: str,
) -> None:
    later(api, plural, status)
    with pytest.raises(PartiallyCreated) as caught:
        engine.create(token, "it", body(plural, namespace), timeout=60)
    assert "failed" in caught.value.summary
    assert reason in caught.value.reasons[0]


@pytest.mark.parametrize(("token", "api", "plural", "reason"), WAITING)
def test_out_of_time_it_says_what_is_missing(
    engine: Engine, namespace: str, token: str, api: str, plural: str, reason: str
) -> None:
    with pytest.raises(PartiallyCreated) as caught:
        engine.create(token, "it", body(plural, namespace), timeout=0.3)
    assert reason in caught.value.reasons[0]

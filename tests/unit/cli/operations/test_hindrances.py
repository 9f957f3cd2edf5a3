"""What will never be ready is seen while Pulumi waits for it: by a real API, with statuses as kubelets write them."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from cli.cloud.kubernetes import Kubernetes, reference
from cli.operations import hindrances
from cli.operations.hindrances import Where
from infra.contract.naming import Names

_number = itertools.count()

GONE = (
    'Back-off pulling image "registry.example/airflow:gone": ErrImagePull: rpc error: code = NotFound '
    'desc = failed to resolve reference "registry.example/airflow:gone": not found'
)


class Namespace:
    def __init__(self, kubeconfig: str) -> None:
        self.name = f"hindrances-{next(_number)}"
        self.kubernetes = Kubernetes(kubeconfig, self.name)
        self.kubernetes.apply(reference("v1", "Namespace", self.name), "tests")

    def look(self, selector: str = "") -> list[str]:
        return list(hindrances.look(self.kubernetes, [Where(self.name, selector)]).values())

    def pod(self, name: str, owner: Any, status: dict[str, Any]) -> None:
        metadata: dict[str, Any] = {"name": name, "labels": {"app": name}}
        if owner:
            head = {"apiVersion": owner["apiVersion"], "kind": owner["kind"]}
            names = {key: owner["metadata"][key] for key in ("name", "uid")}
            metadata["ownerReferences"] = [head | names]
        item = reference("v1", "Pod", name, self.name)
        item["metadata"] |= metadata
        item["spec"] = {"containers": [{"name": "main", "image": "registry.example/airflow:gone"}]}
        self.kubernetes.apply(item, "tests")
        each = {"name": "main", "image": "registry.example/airflow:gone", "imageID": ""}
        whole = {"ready": False, "restartCount": 0, "state": status}
        self.kubernetes.patch(item, {"status": {"containerStatuses": [each | whole]}}, "status")

    def job(self, name: str) -> Any:
        item = reference("batch/v1", "Job", name, self.name)
        pod = {"containers": [{"name": "main", "image": "x"}], "restartPolicy": "Never"}
        item["spec"] = {"template": {"spec": pod}}
        return self.kubernetes.apply(item, "tests")

    def fail(self, job: Any) -> None:
        conditions = [
            {"type": kind, "status": "True", "reason": "BackoffLimitExceeded"}
            for kind in ("FailureTarget", "Failed")
        ]
        begun = job["metadata"]["creationTimestamp"]
        status = {"conditions": conditions, "startTime": begun, "failed": 1}
        self.kubernetes.patch(job, {"status": status}, "status")


@pytest.fixture
def namespace(api_server: str) -> Iterator[Namespace]:
    yield Namespace(api_server)


def waiting(reason: str, message: str) -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def ended(message: str) -> dict[str, Any]:
    return {"terminated": {"exitCode": 1, "reason": "Error", "message": message}}


def test_a_failed_job_says_its_last_line(namespace: Namespace) -> None:
    job = namespace.job("migrate")
    namespace.pod("try", job, ended("Traceback\n  File x\nadminEmail: taken\n\n"))
    assert namespace.look() == []
    namespace.fail(job)
    assert namespace.look() == ["Job migrate failed: adminEmail: taken"]


def test_an_image_that_is_gone_is_named(namespace: Namespace) -> None:
    namespace.pod("new", namespace.job("drop"), waiting("ImagePullBackOff", GONE))
    (reason,) = namespace.look()
    assert reason.startswith("Pod new cannot get its image registry.example/airflow:gone: ")
    assert namespace.look("app=another") == []


@pytest.mark.parametrize(
    "status",
    [
        waiting("ErrImagePull", "dial tcp 10.0.0.1:443: i/o timeout"),
        waiting("ImagePullBackOff", "Back-off pulling image"),
        waiting("ContainerCreating", ""),
        waiting("CrashLoopBackOff", "the file was not found"),
    ],
)
def test_what_may_pass_is_waited_for(namespace: Namespace, status: dict[str, Any]) -> None:
    namespace.pod("new", namespace.job("migrate"), status)
    assert namespace.look() == []


def test_a_tasks_pod_is_the_tasks_affair(namespace: Namespace) -> None:
    namespace.pod("task", None, waiting("ImagePullBackOff", GONE))
    assert namespace.look() == []


def test_who_makes_the_database_is_looked_at_too() -> None:
    existing = Names("prod", existing_server=True)
    assert hindrances.places(existing, "") == [Where("airflow"), Where("database-admin")]
    assert hindrances.places(Names("prod"), "") == [Where("airflow")]


def test_what_was_so_before_stops_nothing() -> None:
    """The deployment that mends it would otherwise be stopped by it."""
    answers = [{"old": "old"}, {"old": "old"}, {"old": "old", "new": "why"}]
    watch = hindrances.Watch(lambda: answers.pop(0), pause=0.0)
    watch.run()
    assert watch.reason == "why"
    assert answers == []

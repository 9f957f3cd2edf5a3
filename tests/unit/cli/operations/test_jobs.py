"""A Job that is run to its end, on a real API server; the tests play the controllers."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.base.errors import KitError
from cli.cloud.kubernetes import Kubernetes, Object, reference
from cli.operations import jobs

_number = itertools.count()

SPEC: Object = {
    "template": {
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "one", "image": "registry.example/one:1"}],
        }
    }
}


@dataclass(frozen=True)
class Cluster(Kubernetes):
    """Pods that no node runs have no log: this is theirs."""

    written: tuple[str, ...] = ()

    def logs(self, selector: str, *, lines: int) -> list[str]:
        return list(self.written[-lines:])


@pytest.fixture
def cluster(api_server: str, tmp_path: Path) -> Cluster:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(api_server)
    namespace = f"jobs-{next(_number)}"
    cluster = Cluster(kubeconfig, namespace, written=("starting", "the last line"))
    cluster.apply(reference("v1", "Namespace", namespace), "tests")
    return cluster


Controller = Callable[[Callable[[Object], None]], None]


@pytest.fixture
def controller(cluster: Cluster) -> Iterator[Controller]:
    """Calls back with the Job `demo` as soon as there is one."""
    over = threading.Event()
    threads: list[threading.Thread] = []

    def play(act: Callable[[Object], None]) -> None:
        def wait() -> None:
            while not over.is_set():
                if job := cluster.find("job", "demo"):
                    act(job)
                    return
                time.sleep(0.05)

        threads.append(threading.Thread(target=wait))
        threads[-1].start()

    yield play
    over.set()
    for thread in threads:
        thread.join()


def _ended(cluster: Cluster, job: Object, *conditions: str) -> None:
    now = "2027-01-01T00:00:00Z"
    status: dict[str, Any] = {
        "startTime": now,
        "conditions": [
            {"type": type_, "status": "True", "lastTransitionTime": now, "lastProbeTime": now}
            for type_ in conditions
        ],
    }
    if "Complete" in conditions:
        status["completionTime"] = now
    cluster.patch(job, {"status": status}, "status")


def test_the_lines_of_a_job_that_ends_well(cluster: Cluster, controller: Controller) -> None:
    controller(lambda job: _ended(cluster, job, "SuccessCriteriaMet", "Complete"))
    assert jobs.run(cluster, "demo", SPEC, 60) == ["starting", "the last line"]


def test_a_job_that_fails_says_its_last_lines(cluster: Cluster, controller: Controller) -> None:
    controller(lambda job: _ended(cluster, job, "FailureTarget", "Failed"))
    with pytest.raises(KitError, match="Job demo failed") as failed:
        jobs.run(cluster, "demo", SPEC, 60)
    assert failed.value.detail.endswith("the last line")


def test_an_image_that_cannot_be_pulled_ends_the_wait(
    cluster: Cluster, controller: Controller
) -> None:
    def pulled_in_vain(job: Object) -> None:
        pod = reference("v1", "Pod", "demo-x", cluster.namespace)
        pod["metadata"]["labels"] = {"batch.kubernetes.io/job-name": "demo"}
        pod["spec"] = SPEC["template"]["spec"]
        cluster.apply(pod, "tests")
        waiting = {"reason": "ImagePullBackOff", "message": "no registry.example/one:1"}
        status = {"name": "one", "image": "registry.example/one:1", "imageID": "", "ready": False}
        status |= {"restartCount": 0, "state": {"waiting": waiting}}
        cluster.patch(pod, {"status": {"containerStatuses": [status]}}, "status")

    controller(pulled_in_vain)
    with pytest.raises(KitError, match="Job demo cannot start") as failed:
        jobs.run(cluster, "demo", SPEC, 60)
    assert failed.value.detail == "ImagePullBackOff: no registry.example/one:1"


def test_a_job_that_does_not_end_in_time(cluster: Cluster) -> None:
    with pytest.raises(KitError, match="Job demo is not over after 0 seconds"):
        jobs.run(cluster, "demo", SPEC, 0)


def test_what_an_interrupted_run_has_left_is_replaced(
    cluster: Cluster, controller: Controller
) -> None:
    left = reference("batch/v1", "Job", "demo", cluster.namespace) | {"spec": SPEC}
    before = cluster.apply(left, "tests")["metadata"]["uid"]

    def end_the_new_one(job: Object) -> None:
        while job["metadata"]["uid"] == before:
            time.sleep(0.05)
            job = cluster.find("job", "demo") or job
        _ended(cluster, job, "SuccessCriteriaMet", "Complete")

    controller(end_the_new_one)
    assert jobs.run(cluster, "demo", SPEC, 60)


def test_a_template_is_without_what_the_controller_wrote() -> None:
    labels = {"team": "data", "job-name": "a", "batch.kubernetes.io/controller-uid": "b"}
    job = {"spec": {"selector": {}, "template": {"metadata": {"labels": labels}, "spec": {}}}}
    assert jobs.template_of(job) == {"metadata": {"labels": {"team": "data"}}, "spec": {}}

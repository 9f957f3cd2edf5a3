"""Waiting and its end: ready, hopeless, out of time, cancelled, gone - and the story told."""

import threading
from typing import Any

import pytest

from sandbox.providers.kubernetes.diagnosis import pod_trouble
from sandbox.providers.kubernetes.kinds import Kind
from sandbox.providers.kubernetes.transport import ApiError
from sandbox.providers.kubernetes.waiting import NotReady, StillThere, Waiter

Object = dict[str, Any]


class Cluster:
    """Gives each object's next state at each look; the last one stays."""

    def __init__(self) -> None:
        self.states: dict[tuple[str, str], list[Object | None]] = {}
        self.pods: list[Object] = []
        self.happened: dict[str, list[Object]] = {}
        self.logs: dict[tuple[str, bool], str] = {}

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        states = self.states[kind.kind, name]
        return states.pop(0) if len(states) > 1 else states[0]

    def find(self, kind: Kind, namespace: str, **selectors: str) -> list[Object]:
        return self.pods if kind.kind == "Pod" else []

    def events(self, namespace: str, uid: str) -> list[Object]:
        return self.happened.get(uid, [])

    def log(
        self, namespace: str, pod: str, container: str, lines: int, *, previous: bool = False
    ) -> str:
        if (container, previous) not in self.logs:
            raise ApiError(400, {"message": "no log"}, "GET", "log")
        return self.logs[container, previous]


class Clock:
    """Jumps a little at each look, so that no test waits."""

    def __init__(self, step: float = 1.0) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


class Impatient(threading.Event):
    """Never set, and never waits."""

    def wait(self, timeout: float | None = None) -> bool:
        return False


def deployment(available: int, name: str = "web") -> Object:
    status = {"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": available}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "n", "generation": 1, "uid": "d"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}},
        "status": status,
    }


def pod(**container: Any) -> Object:
    status = {"name": "main", "ready": False, **container}
    return {
        "metadata": {"name": "web-1", "namespace": "n", "uid": "p"},
        "status": {"phase": "Pending", "containerStatuses": [status]},
    }


def waiter(cluster: Cluster, cancelled: threading.Event | None = None, step: float = 1.0) -> Waiter:
    event = cancelled or threading.Event()
    return Waiter(cluster, event, Clock(step))  # type: ignore[arg-type]


@pytest.fixture
def cluster() -> Cluster:
    found = Cluster()
    found.states["Deployment", "web"] = [deployment(0), deployment(0)]
    return found


def test_ready_in_the_end(cluster: Cluster) -> None:
    cluster.states["Deployment", "web"] = [deployment(0), deployment(1)]
    assert waiter(cluster).until_ready([deployment(0)], 60) == [deployment(1)]


def test_out_of_time(cluster: Cluster) -> None:
    with pytest.raises(NotReady) as caught:
        waiter(cluster, step=20).until_ready([deployment(0)], 50)
    assert caught.value.summary == "Deployment n/web: not ready after 50 seconds"
    assert caught.value.reasons == ["Deployment n/web: 0 of 1 pods are available"]
    assert caught.value.live == {0: deployment(0)}


def test_cancelled(cluster: Cluster) -> None:
    event = threading.Event()
    event.set()
    with pytest.raises(NotReady, match="given up: cancelled"):
        waiter(cluster, event).until_ready([deployment(0)], 600)


def test_deleted_meanwhile(cluster: Cluster) -> None:
    cluster.states["Deployment", "web"] = [None]
    with pytest.raises(NotReady, match="it was deleted while it was waited for"):
        waiter(cluster).until_ready([deployment(0)], 600)


def test_a_pod_without_an_image_is_given_up_early(cluster: Cluster) -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "manifest unknown"}
    cluster.pods = [pod(state={"waiting": waiting})]
    cluster.happened["p"] = [{"type": "Warning", "reason": "Failed", "message": "not found"}]
    with pytest.raises(NotReady) as caught:
        waiter(cluster, step=20).until_ready([deployment(0)], 600)
    assert caught.value.summary == "Deployment n/web: failed"
    assert caught.value.reasons == [
        "Deployment n/web: 0 of 1 pods are available",
        "Pod web-1: container main waiting: ImagePullBackOff (manifest unknown)",
    ]


def test_a_pod_that_can_not_be_made_shows_its_events(cluster: Cluster) -> None:
    cluster.pods = [pod(state={"waiting": {"reason": "CreateContainerConfigError"}})]
    cluster.happened["p"] = [
        {"type": "Warning", "reason": "Failed", "message": "secret not found", "count": 3},
        {"type": "Normal", "reason": "Scheduled", "message": "assigned"},
    ]
    with pytest.raises(NotReady) as caught:
        waiter(cluster, step=20).until_ready([deployment(0)], 600)
    assert caught.value.reasons[1:] == [
        "Pod web-1: container main waiting: CreateContainerConfigError",
        "Event of web-1: Failed: secret not found (3 times)",
    ]


def test_only_the_first_stories_are_told_in_full(cluster: Cluster) -> None:
    cluster.pods = [pod(state={"waiting": {"reason": "CreateContainerError"}})]
    cluster.happened["p"] = [{"type": "Warning", "reason": "Failed", "message": "no", "count": 1}]
    names = ("web", "b", "c")
    for name in names:
        cluster.states["Deployment", name] = [deployment(0, name)]
    with pytest.raises(NotReady) as caught:
        waiter(cluster, step=20).until_ready([deployment(0, name) for name in names], 600)
    assert caught.value.reasons == [
        "Deployment n/web: 0 of 1 pods are available",
        "Pod web-1: container main waiting: CreateContainerError",
        "Event of web-1: Failed: no",
        "Deployment n/b: 0 of 1 pods are available",
        "Deployment n/c: 0 of 1 pods are available",
    ]


def service() -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "n", "uid": "s"},
        "spec": {"selector": {"app": "web"}, "clusterIP": "10.96.0.7"},
    }


def test_a_service_whose_pods_all_fail_is_given_up_early(cluster: Cluster) -> None:
    cluster.states["Service", "web"] = [service()]
    cluster.pods = [pod(state={"waiting": {"reason": "ImagePullBackOff", "message": "unknown"}})]
    with pytest.raises(NotReady) as caught:
        waiter(cluster, step=5).until_ready([service()], 600)
    assert caught.value.summary == "Service n/web: failed"
    assert caught.value.reasons == [
        "Service n/web: no ready pod is behind it",
        "Pod web-1: container main waiting: ImagePullBackOff (unknown)",
    ]


def test_a_service_whose_pods_ended_for_good_is_given_up_too(cluster: Cluster) -> None:
    cluster.states["Service", "web"] = [service()]
    gone = pod()
    gone["status"] = {"phase": "Failed", "reason": "Evicted", "message": "disk"}
    cluster.pods = [gone]
    with pytest.raises(NotReady, match="Service n/web: failed"):
        waiter(cluster, step=5).until_ready([service()], 600)


def test_a_service_with_one_pod_that_may_yet_start_is_waited_for(cluster: Cluster) -> None:
    cluster.states["Service", "web"] = [service()]
    other = pod()
    other["metadata"] = {"name": "web-2", "namespace": "n", "uid": "q"}
    cluster.pods = [pod(state={"waiting": {"reason": "ImagePullBackOff"}}), other]
    with pytest.raises(NotReady, match="not ready after 600 seconds"):
        waiter(cluster, step=5).until_ready([service()], 600)


def test_what_is_missing_is_told_while_it_is_waited_for(cluster: Cluster) -> None:
    told: list[str] = []
    cluster.pods = [pod(state={"waiting": {"reason": "ErrImagePull", "message": "unknown"}})]
    states = [deployment(0)] * 40 + [deployment(1)]
    cluster.states["Deployment", "web"] = list(states)
    clock = Clock(0.5)
    event = Impatient()
    found = Waiter(cluster, event, clock, 600, told.append)  # type: ignore[arg-type]  # fakes
    found.until_ready([deployment(0)], 600)
    assert told
    assert set(told) == {
        "Waiting: Deployment n/web: 0 of 1 pods are available. "
        "Pod web-1: container main waiting: ErrImagePull (unknown)"
    }


def test_a_deletion_tells_what_holds_it(cluster: Cluster) -> None:
    told: list[str] = []
    held = deployment(0)
    held["metadata"] = held["metadata"] | {"finalizers": ["example.org/mine"]}
    cluster.states["Deployment", "web"] = [*[held] * 30, None]
    found = Waiter(cluster, Impatient(), Clock(1), tell=told.append)  # type: ignore[arg-type]  # fakes
    found.until_gone(Kind("apps/v1", "Deployment"), "n", "web", "d", 600)
    assert told[0] == (
        "Waiting for Deployment web to go: Finalizers that nobody removed: example.org/mine"
    )


def test_a_trouble_that_passes_is_none(cluster: Cluster) -> None:
    cluster.pods = [pod(state={"waiting": {"reason": "ErrImagePull"}})]
    cluster.states["Deployment", "web"] = [deployment(0), deployment(0), deployment(1)]
    assert waiter(cluster, step=3).until_ready([deployment(0)], 600)


def test_a_crashing_pod_shows_its_last_lines(cluster: Cluster) -> None:
    ended = {"reason": "Error", "exitCode": 3}
    cluster.pods = [
        pod(
            state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
            lastState={"terminated": ended},
            restartCount=4,
        )
    ]
    cluster.logs["main", True] = "starting\nboom\n"
    with pytest.raises(NotReady) as caught:
        waiter(cluster, step=20).until_ready([deployment(0)], 600)
    assert caught.value.reasons[1:] == [
        "Pod web-1: container main waiting: CrashLoopBackOff (back-off), "
        "it ended before with Error, exit code 3, 4 restarts",
        "Last lines of web-1, container main:\n    starting\n    boom",
    ]


def test_a_pod_without_a_node() -> None:
    found = pod()
    found["status"]["conditions"] = [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/1 nodes are available",
        }
    ]
    assert pod_trouble(found) == "Pod web-1 has no node: 0/1 nodes are available"


@pytest.mark.parametrize(
    "container",
    [
        {"state": {"waiting": {"reason": "ContainerCreating"}}},
        {"state": {"running": {}}, "restartCount": 1},
        {"state": {"running": {}}, "restartCount": 9, "ready": True},
    ],
)
def test_a_pod_that_may_yet_start(container: Object) -> None:
    assert pod_trouble(pod(**container)) == ""


def test_gone() -> None:
    cluster = Cluster()
    there = {"metadata": {"uid": "1"}}
    cluster.states["Pod", "a"] = [there, None]
    waiter(cluster).until_gone(Kind("v1", "Pod"), "n", "a", "1", 60)


def test_another_object_of_the_same_name_is_not_it() -> None:
    cluster = Cluster()
    cluster.states["Pod", "a"] = [{"metadata": {"uid": "2"}}]
    waiter(cluster).until_gone(Kind("v1", "Pod"), "n", "a", "1", 60)


def test_a_namespace_that_stays_says_what_is_left_in_it() -> None:
    cluster = Cluster()
    left = {
        "type": "NamespaceContentRemaining",
        "status": "True",
        "reason": "SomeResourcesRemain",
        "message": "pods. has 1 resource instances",
    }
    cluster.states["Namespace", "a"] = [
        {"metadata": {"uid": "1"}, "status": {"conditions": [left]}}
    ]
    with pytest.raises(StillThere) as caught:
        waiter(cluster, step=40).until_gone(Kind("v1", "Namespace"), "", "a", "1", 60)
    assert str(caught.value) == (
        "Namespace a is still being deleted after 60 seconds\n"
        "SomeResourcesRemain: pods. has 1 resource instances"
    )

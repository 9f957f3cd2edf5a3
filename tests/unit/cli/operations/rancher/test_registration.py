"""The registration of a cluster: found again, resumed, and told why it does not work.

The API server is real, and so is what the manifest makes in it; Rancher's API is played. No kubelet runs the
agent: the tests write the status that one would.
"""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cli.base.errors import KitError, UserError
from cli.cloud.kubernetes import Kubernetes, reference
from cli.cloud.rancher import Rancher
from cli.operations.rancher import agent, state
from cli.operations.rancher.identity import MARK, Identity, uid_of
from cli.operations.rancher.registration import Registered, Waits, register
from sandbox.tools import tool
from tests.played_rancher import REGISTRATION, TOKEN, PlayedRancher, playing

SERVER = "https://rancher.example.com"
QUICK = Waits(agent=1.5, stuck=0.6, manifest=0.5, pause=0.05)
DEPLOYMENT = reference("apps/v1", "Deployment", agent.NAME, agent.SPACE)
LEFT = (
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "cattle-admin"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "proxy-clusterrole-kubeapiserver"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "cattle-admin-binding"),
)


@pytest.fixture
def played() -> Iterator[PlayedRancher]:
    with playing(settings={"server-url": SERVER, "cacerts": ""}) as running:
        yield running


@pytest.fixture
def kubernetes(api_server: str) -> Iterator[Kubernetes]:
    made = Kubernetes(api_server, "airflow", tool("kubectl"))
    yield made
    made.delete(DEPLOYMENT)
    for pod in made.objects("pods", namespace=agent.SPACE):
        made.delete(pod, grace=0)
    for each in LEFT:
        made.delete(reference(*each))


@pytest.fixture
def identity(kubernetes: Kubernetes) -> Identity:
    return Identity("dev", "aerodrome-dev", "us-east-1", uid_of(kubernetes))


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def go(
    played: PlayedRancher, kubernetes: Kubernetes, identity: Identity, lines: list[str]
) -> Callable[..., Registered]:
    def run(**how: Any) -> Registered:
        how = {"waits": QUICK, "report": lines.append, "again": "again", **how}
        with Rancher(played.url, how.pop("token", TOKEN), {}, pause=0.01) as rancher:
            return register(rancher, kubernetes, how.pop("identity", identity), **how)

    return run


@pytest.fixture
def agent_works(kubernetes: Kubernetes, played: PlayedRancher) -> Iterator[None]:
    """What kubelet and agent do, as soon as the agent's Deployment is there."""
    over = threading.Event()

    def act() -> None:
        while not over.wait(0.05):
            if kubernetes.find("deployment", agent.NAME, namespace=agent.SPACE):
                available(kubernetes)
                played.connect()
                return

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    yield
    over.set()
    thread.join()


def available(kubernetes: Kubernetes) -> None:
    found = kubernetes.find("deployment", agent.NAME, namespace=agent.SPACE)
    assert found is not None
    status = {
        "observedGeneration": found["metadata"]["generation"],
        "replicas": 1,
        "updatedReplicas": 1,
        "readyReplicas": 1,
        "availableReplicas": 1,
        "conditions": [{"type": "Available", "status": "True"}],
    }
    kubernetes.patch(DEPLOYMENT, {"status": status}, "status")


def agents_pod(kubernetes: Kubernetes, status: dict[str, Any]) -> None:
    """A pod of the agent, in a state that a kubelet would report."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": agent.SPACE}}
    kubernetes.apply(space, "tests")
    name = f"{agent.NAME}-1"
    labels = {"app": agent.NAME}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": agent.SPACE, "labels": labels},
        "spec": {"containers": [{"name": "cluster-register", "image": "agent"}]},
    }
    kubernetes.apply(pod, "tests")
    kubernetes.patch(pod, {"status": status}, "status")


def container(**waiting: str) -> dict[str, Any]:
    return {
        "containerStatuses": [
            {
                "name": "cluster-register",
                "image": "rancher/rancher-agent:v2.15.1",
                "imageID": "",
                "ready": False,
                "restartCount": 0,
                "state": {"waiting": waiting},
            }
        ]
    }


@pytest.mark.usefixtures("agent_works")
def test_a_cluster_is_registered_and_its_agent_is_there(
    go: Callable[..., Registered],
    played: PlayedRancher,
    kubernetes: Kubernetes,
    identity: Identity,
    lines: list[str],
) -> None:
    done = go(waits=Waits(agent=30.0, pause=0.05))
    (item,) = played.clusters.values()
    assert (item["name"], item["annotations"][MARK]) == ("aerodrome-dev", identity.uid)
    assert done.created
    assert done.applied == 8
    assert done.agent.state == agent.HEALTHY
    assert done.agent.server == SERVER
    for each in LEFT:
        assert kubernetes.find_same(reference(*each))
    assert not any(REGISTRATION in line or TOKEN in line for line in lines)
    assert REGISTRATION not in str(done.data())


@pytest.mark.usefixtures("agent_works")
def test_a_second_run_finds_it_and_changes_nothing(
    go: Callable[..., Registered], played: PlayedRancher
) -> None:
    go(waits=Waits(agent=30.0, pause=0.05))
    played.asked.clear()
    again = go()
    assert not again.created
    assert again.applied == 0
    assert len(played.clusters) == 1
    assert {line.split()[0] for line in played.asked} == {"GET"}


@pytest.mark.usefixtures("agent_works")
def test_it_is_found_whatever_somebody_calls_it_now(
    go: Callable[..., Registered], played: PlayedRancher
) -> None:
    first = go(waits=Waits(agent=30.0, pause=0.05))
    played.clusters[first.identifier]["name"] = "renamed-in-the-ui"
    assert go().identifier == first.identifier


@pytest.mark.usefixtures("agent_works")
def test_an_answer_that_was_lost_makes_no_second_record(
    go: Callable[..., Registered], played: PlayedRancher
) -> None:
    played.loses = 1
    done = go(waits=Waits(agent=30.0, pause=0.05))
    assert list(played.clusters) == [done.identifier]


def test_a_run_that_was_interrupted_goes_on(
    go: Callable[..., Registered], played: PlayedRancher, kubernetes: Kubernetes
) -> None:
    played.refuses = [("GET /v3/import/", 404)]
    with pytest.raises(KitError) as caught:
        go()
    assert "goes on from here" in caught.value.detail
    assert len(played.clusters) == 1
    with pytest.raises(KitError, match="its agent does not work"):
        # The agent is applied now, and nothing runs it.
        go()
    assert kubernetes.find_same(DEPLOYMENT)
    available(kubernetes)
    played.connect()
    assert not go().created
    assert len(played.clusters) == 1


def test_the_cluster_of_another_machine_is_left_alone(
    go: Callable[..., Registered], played: PlayedRancher
) -> None:
    other = {"name": "aerodrome-dev", "annotations": {MARK: "another"}, "labels": {}}
    played.clusters["c-1"] = {**played._cluster("c-1", other), "state": "active"}
    with pytest.raises(UserError) as caught:
        go()
    assert "another cluster called 'aerodrome-dev'" in caught.value.summary
    assert "--name" in caught.value.command
    assert not [line for line in played.asked if line.startswith("POST")]


@pytest.mark.parametrize(
    ("status", "says"), [(401, "does not accept the token"), (403, "forbids it")]
)
def test_a_token_without_rights_is_the_users_to_put_right(
    status: int, says: str, go: Callable[..., Registered], played: PlayedRancher
) -> None:
    played.refuses = [("POST /v3/clusters", status)]
    with pytest.raises(UserError, match=says):
        go()
    assert not played.clusters


def test_a_name_that_rancher_does_not_take_is_named(
    go: Callable[..., Registered], played: PlayedRancher
) -> None:
    with pytest.raises(UserError, match="does not take a cluster called 'two words'"):
        go(name="two words")


@pytest.mark.usefixtures("agent_works")
def test_a_server_that_starts_again_is_waited_for(
    go: Callable[..., Registered], played: PlayedRancher
) -> None:
    played.refuses = [("GET /v3/clusters", 503), ("GET /v3/clusterreg", 502), ("GET /v3/imp", 503)]
    assert go(waits=Waits(agent=30.0, pause=0.05)).agent.state == agent.HEALTHY


def test_a_rancher_that_does_not_know_its_address_is_told(
    go: Callable[..., Registered], played: PlayedRancher, kubernetes: Kubernetes
) -> None:
    played.settings["server-url"] = ""
    with pytest.raises(KitError, match="makes no registration"):
        go()
    played.settings["server-url"] = "https://localhost"
    with pytest.raises(KitError, match="No pod reaches it there"):
        go()
    assert kubernetes.find_same(DEPLOYMENT) is None


@pytest.mark.parametrize(
    ("status", "cause", "says"),
    [
        (
            container(reason="ImagePullBackOff", message="pull access denied"),
            "image",
            "Its image rancher/rancher-agent:v2.15.1 cannot be had: pull access denied",
        ),
        (
            {
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/2 nodes are available: 2 Insufficient cpu.",
                    }
                ]
            },
            "scheduling",
            "No node takes it: 0/2 nodes are available",
        ),
    ],
)
def test_an_agent_that_cannot_start_ends_the_wait_early(
    status: dict[str, Any],
    cause: str,
    says: str,
    go: Callable[..., Registered],
    kubernetes: Kubernetes,
    identity: Identity,
) -> None:
    agents_pod(kubernetes, status)
    begun = time.monotonic()
    with pytest.raises(KitError) as caught:
        go(waits=Waits(agent=120.0, stuck=0.3, pause=0.05))
    assert time.monotonic() - begun < 60
    assert says in caught.value.detail
    assert caught.value.command == "again"
    seen = state.look(kubernetes, identity, None)
    assert (seen["registered"], seen["healthy"]) == (True, False)
    assert seen["agent"]["cause"] == cause
    assert says in seen["agent"]["reason"]


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (
            "ERROR: https://rancher.example.com/ping is not accessible (Could not resolve host: rancher.example.com)",
            "DNS",
        ),
        (
            'time="2026-11-29T20:00:00Z" level=fatal msg="Certificate chain is not complete"',
            "TLS",
        ),
        (
            "ERROR: https://rancher.example.com/ping is not accessible (Failed to connect to 192.0.2.1 port 443)",
            "network",
        ),
        ('level=error msg="Failed to dial: websocket: bad handshake: 401"', "rights"),
    ],
)
def test_what_the_agent_complains_of_is_sorted(line: str, cause: str) -> None:
    found = agent._complaint(line)
    assert found is not None
    assert found[0] == cause


def test_what_the_agent_prints_of_its_environment_is_not_repeated() -> None:
    line = "INFO: Environment: CATTLE_TOKEN=sesame CATTLE_ERROR=certificate"
    assert agent._complaint(line) is None


def test_both_sides_are_shown(
    played: PlayedRancher, kubernetes: Kubernetes, identity: Identity
) -> None:
    with Rancher(played.url, TOKEN, {}) as rancher:
        seen = state.look(kubernetes, identity, rancher)
    assert (seen["registered"], seen["healthy"]) == (False, False)
    assert seen["cluster"]["state"] == state.UNKNOWN
    assert state.of_agent(kubernetes) == {}

"""Nodes follow the work: Karpenter's own binary makes them for pods of tasks, and takes them away again.

One environment's life, told in the order of the tests: each goes on where the one before it ended.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from cli.base.environments import Environment
from cli.base.phases import Phases
from cli.operations.teardown import cluster
from cli.operations.teardown.operation import DownOptions, tear_down
from cli.operations.teardown.report import Report
from cli.operations.teardown.target import target_of
from infra.task_nodes import EVENTS, limits
from tests.aws.standin import account
from tests.charts.rendering import Object
from tests.repeating import Repeating
from tests.task_nodes.conftest import DISK_GB, IDLE_SECONDS, MAX
from tests.task_nodes.machines import until
from tests.task_nodes.world import ACCOUNT, POOL, World
from tests.teardown import kit
from tests.unit.sandbox.aws.conftest import REGION

pytestmark = pytest.mark.slow

CLASS = "/apis/karpenter.k8s.aws/v1/ec2nodeclasses/tasks"
TASKS = [f"task-{number}" for number in range(200)]

NOT_CALLED = {
    "pricing:GetProducts": "the emulator has no prices: Karpenter takes those that it was built with",
}
"""Actions of the policy that this run has no call of."""


def _ready(world: World, path: str) -> bool:
    found = world.api.get(path).get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in found)


def _instances(world: World) -> set[str]:
    return {one["InstanceId"] for one in world.machines.running()}


def _names(objects: list[Object]) -> list[str]:
    return [str(one["metadata"]["name"]) for one in objects]


def _node_of(world: World, pod: str) -> str:
    (found,) = (one for one in world.pods() if one["metadata"]["name"] == pod)
    return str(found["spec"]["nodeName"])


def _instance_of(world: World, node: str) -> str:
    return str(world.api.get(f"/api/v1/nodes/{node}")["spec"]["providerID"].rpartition("/")[2])


def test_the_programs_pool_is_taken_and_a_task_gets_a_node(world: World) -> None:
    until(
        120, "node class and pool are ready", lambda: _ready(world, CLASS) and _ready(world, POOL)
    )
    asked = time.time()
    world.start_tasks("first")
    until(180, "the task runs", lambda: len(world.running()) == 1, pause=0.1)
    _tell(world, asked)
    (claim,), (node,) = world.claims(), world.nodes()
    assert node["spec"]["providerID"] == claim["status"]["providerID"]
    (instance,) = world.machines.running()
    assert instance["SpotInstanceRequestId"]
    assert instance["MetadataOptions"]["HttpPutResponseHopLimit"] == 1


def _tell(world: World, asked: float) -> None:
    """How long after the pod each thing was done."""
    fleets = (one["time"] for one in world.asked() if one["action"] == "ec2:CreateFleet")
    # It has asked before, whether it may.
    fleet = min(moment for moment in fleets if moment > asked)
    done = {"asked for an instance": fleet - asked, "task runs": time.time() - asked}
    for message in ("created", "launched", "registered", "initialized"):
        # It says the last one when the task runs already.
        until(60, f"{message} is logged", lambda m=message: world.events(f"{m} nodeclaim"))
        (event,) = world.events(f"{message} nodeclaim")
        done[message] = datetime.fromisoformat(event["time"]).timestamp() - asked
    world.note("one task", done)


class Most(Repeating):
    """The most nodes and instances that there were within a `with`."""

    pause = 1.0

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world, self.nodes = world, 0

    def round(self) -> None:
        self.nodes = max(self.nodes, len(self._world.claims()), len(_instances(self._world)))


def test_nodes_come_for_two_hundred_tasks_and_no_more_than_the_setting_says(world: World) -> None:
    with Most(world) as most:
        world.start_tasks(*TASKS)
        asked = time.time()
        until(180, "as many nodes as there may be", lambda: len(world.nodes()) == MAX)
        until(180, "they are full", lambda: len(world.running()) > 30 * (MAX - 1), pause=2.0)
        # Longer than two of Karpenter's batches: the tasks that wait make no node.
        time.sleep(12)
    assert most.nodes == MAX
    assert len(world.running()) < len(TASKS)
    with Most(world) as most:
        world.api.patch(POOL, {"spec": {"limits": limits(2 * MAX, DISK_GB)}})
        until(240, "all tasks run", lambda: len(world.running()) == len(TASKS) + 1, pause=2.0)
    world.note("200 tasks", {"run": time.time() - asked})
    assert MAX < most.nodes <= 2 * MAX
    assert world.machines.failures == []


def test_idle_nodes_go_and_the_one_with_a_task_stays(world: World) -> None:
    kept = _instance_of(world, _node_of(world, "first"))
    world.end_tasks(*(name for name in _names(world.pods()) if name != "first"))
    ended = time.time()
    assert kept in _instances(world)
    until(IDLE_SECONDS + 60, "idle nodes are gone", lambda: _instances(world) == {kept})
    world.note("idle", {"gone": time.time() - ended, "setting": IDLE_SECONDS})
    # Not before its time.
    assert time.time() - ended > IDLE_SECONDS
    until(180, "their objects are gone", lambda: len(world.nodes()) == len(world.claims()) == 1)
    (pod,) = world.running()
    assert pod["metadata"].get("deletionTimestamp") is None


def test_a_change_of_the_pool_waits_for_the_task(world: World) -> None:
    labels = {"spec": {"template": {"metadata": {"labels": {"aerodrome/changed": "yes"}}}}}
    world.api.patch(POOL, labels)

    def drifted() -> bool:
        found = [one for claim in world.claims() for one in claim["status"]["conditions"]]
        return any(one["type"] == "Drifted" and one["status"] == "True" for one in found)

    until(180, "Karpenter sees that the node is of before", drifted)
    # It looks for what to replace every 10 seconds.
    time.sleep(25)
    (claim,) = world.claims()
    assert claim["metadata"].get("deletionTimestamp") is None
    assert len(world.running()) == 1
    world.end_tasks("first")
    until(180, "the old node goes with its task", lambda: world.claims() == [])


def _notice(instance: str) -> str:
    """What EventBridge puts into the queue."""
    source, kind = EVENTS["spot"]
    detail = {"instance-id": instance, "instance-action": "terminate"}
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    place = {"account": ACCOUNT, "region": REGION, "time": now, "id": "1", "version": "0"}
    arn = f"arn:aws:ec2:{REGION}a:instance/{instance}"
    told = {"source": source, "detail-type": kind, "resources": [arn], "detail": detail}
    return json.dumps(told | place)


def test_before_spot_takes_a_node_nothing_starts_there_and_a_new_one_comes(world: World) -> None:
    world.start_tasks("second")
    until(180, "the task runs", lambda: len(world.running()) == 1)
    node = _node_of(world, "second")
    doomed = _instance_of(world, node)
    sqs = world.cloud.client("sqs")
    sent = time.time()
    sqs.send_message(QueueUrl=world.queue_url, MessageBody=_notice(doomed))

    def cordoned() -> bool:
        taints = world.api.get(f"/api/v1/nodes/{node}")["spec"].get("taints", [])
        return any(one["key"] == "karpenter.sh/disrupted" for one in taints)

    until(180, "nothing starts there any more", cordoned)
    world.note("spot", {"drained": time.time() - sent})
    world.start_tasks("third")
    until(180, "the next task runs", lambda: len(world.running()) == 2)
    assert _node_of(world, "third") != node
    # The task has what is left of the two minutes.
    assert _node_of(world, "second") == node
    world.cloud.client("ec2").terminate_instances(InstanceIds=[doomed])
    # Kubernetes deletes what ran there after five minutes, and until then Karpenter keeps the node's object.
    world.end_tasks("second")
    until(180, "what AWS took is gone", lambda: node not in _names(world.nodes()))
    assert _instances(world) == {_instance_of(world, _node_of(world, "third"))}
    left = sqs.get_queue_attributes(QueueUrl=world.queue_url, AttributeNames=["All"])["Attributes"]
    assert (
        left["ApproximateNumberOfMessages"] == left["ApproximateNumberOfMessagesNotVisible"] == "0"
    )
    world.end_tasks("third")


@contextmanager
def _exhausted(world: World, *kinds: str) -> Iterator[None]:
    """Within a `with` the region has no capacity of these kinds."""
    path = world.cloud.emulator.settings.state / account.FILE
    path.write_text(json.dumps({"exhausted": kinds}))
    try:
        yield
    finally:
        path.unlink()


def test_where_there_is_no_spot_capacity_a_task_gets_an_on_demand_node(world: World) -> None:
    until(IDLE_SECONDS + 60, "no node is left", lambda: _instances(world) == set())
    with _exhausted(world, "spot"):
        asked = time.time()
        world.start_tasks("sixth")
        until(180, "the task runs", lambda: len(world.running()) == 1)
        world.note("no spot", {"task runs": time.time() - asked})
    (instance,) = world.machines.running()
    assert "SpotInstanceRequestId" not in instance
    assert "InsufficientInstanceCapacity" in world.log("karpenter")
    label = world.nodes()[0]["metadata"]["labels"]["karpenter.sh/capacity-type"]
    assert label == "on-demand"
    world.end_tasks("sixth")


def test_where_there_is_no_capacity_at_all_a_task_waits_until_there_is(world: World) -> None:
    until(IDLE_SECONDS + 60, "no node is left", lambda: _instances(world) == set())
    with _exhausted(world, "spot", "on-demand"):
        world.start_tasks("seventh")
        time.sleep(30)
        assert world.running() == []
        assert _instances(world) == set()
    # Karpenter asks again for what was not to be had after three minutes.
    until(300, "the task runs", lambda: len(world.running()) == 1)
    assert _made_by_karpenter(world)
    world.end_tasks("seventh")


@pytest.fixture
def session(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[kit.Sandboxed]:
    monkeypatch.setenv("AERODROME_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "of the tests")
    found = kit.Sandboxed(tmp_path, world.cloud.client, world.kubeconfig)
    found.limits = kit.PATIENT
    yield found


def _made_by_karpenter(world: World) -> list[str]:
    return [
        label
        for label in world.cloud.labels(world.cloud.ours)
        if label.startswith(("ec2 instance ", "ec2 launch-template "))
    ]


def test_down_takes_nodes_away_while_karpenter_lives(world: World, session: kit.Sandboxed) -> None:
    world.start_tasks("fourth")
    until(180, "the task runs", lambda: len(world.running()) == 1)
    environment = Environment(world.cloud.ours)
    report = Report(Phases(session.console, total=1))
    # Its pod goes before, with those of Airflow.
    world.end_tasks("fourth")
    with report.step("node pools"):
        cluster.node_pools(target_of(session, environment), report)
    assert report.steps[0].notes == []
    assert world.claims() == []
    # As the engine does it, after the pool.
    world.api.delete(CLASS)
    classes = CLASS.rpartition("/")[0]
    until(180, "Karpenter lets the node class go", lambda: world.api.items(classes) == [])
    assert _made_by_karpenter(world) == []


def test_each_right_of_its_role_is_used_and_none_is_missing(world: World) -> None:
    asked = world.asked()
    assert [one for one in asked if not one["allowed"]] == []
    called = {one["action"] for one in asked}
    granted = {action for one in world.policy["Statement"] for action in one["Action"]}
    assert called <= granted
    assert granted - called == NOT_CALLED.keys()
    assert "nauthorized" not in world.log("karpenter")


def test_down_takes_everything_away_when_karpenter_is_dead(
    world: World, session: kit.Sandboxed
) -> None:
    world.apply(*world.manifests())
    world.start_tasks("fifth")
    until(180, "the task runs", lambda: len(world.running()) == 1)
    assert len(_made_by_karpenter(world)) >= 2
    world.kill("karpenter")
    session.limits = kit.QUICK
    phases = Phases(session.console, total=12)
    done = tear_down(session, Environment(world.cloud.ours), phases, DownOptions(keep_sandbox=True))
    (step,) = (one for one in done.steps if one.name == "node pools")
    assert any("Karpenter did not delete these" in note for note in step.notes)
    assert world.cloud.labels(world.cloud.ours) == []
    assert world.machines.running() == []
    ec2, sqs = world.cloud.client("ec2"), world.cloud.client("sqs")
    assert ec2.describe_launch_templates()["LaunchTemplates"] == []
    assert sqs.list_queues().get("QueueUrls", []) == []
    assert world.claims() == []

"""Nodes for tasks: off by default; with them Karpenter, its rights, its queue, and where tasks run."""

import json
from typing import Any

import pytest

from cli.cloud.catalogue import BY_TYPE
from infra.contract.naming import LABEL_TASKS
from infra.contract.versions import KARPENTER, KARPENTER_VERSION
from infra.task_nodes import EVENTS
from tests.charts.rendering import render_exactly
from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import SECRETS, Program, Registration, run_program
from tests.program.test_values import values

CONFIG = {"environment": "test", "taskNodes": "true"}
RELEASE = "kubernetes:helm.sh/v3:Release"
TAINT = {"key": LABEL_TASKS, "value": "true", "effect": "NoSchedule"}
NODE_CLASS = "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass"
NODE_POOL = "kubernetes:karpenter.sh/v1:NodePool"


@pytest.fixture(scope="module")
def scaled() -> Program:
    return run_program(CONFIG, SECRETS)


def pool(**config: str) -> Any:
    return run_program({**CONFIG, **config}, SECRETS).one(NODE_POOL).inputs["spec"]


def statements(program: Program) -> dict[str, Any]:
    policy = program.one("aws:iam/rolePolicy:RolePolicy", "-karpenter").inputs["policy"]
    return {statement["Sid"]: statement for statement in json.loads(policy)["Statement"]}


def test_without_the_setting_there_is_nothing_of_it(program: Program, scaled: Program) -> None:
    before = {(one.type, one.name) for one in program.resources}
    more = [one for one in scaled.resources if (one.type, one.name) not in before]
    assert not [one for one in program.resources if "arpenter" in f"{one.type} {one.name}"]
    assert before < {(one.type, one.name) for one in scaled.resources}
    kinds = {one.type for one in more if one.type.startswith("aws:")}
    assert {"aws:sqs/queue:Queue", "aws:cloudwatch/eventRule:EventRule"} < kinds
    # Otherwise no inventory, and no recovery of an interrupted run, knows it.
    assert kinds <= BY_TYPE.keys()


def test_nodes_come_within_limits_for_pods_of_tasks_only(scaled: Program) -> None:
    spec = scaled.one(NODE_POOL).inputs["spec"]
    assert spec["limits"] == {"nodes": 10, "ephemeral-storage": "500Gi"}
    assert spec["template"]["spec"]["taints"] == [TAINT]
    assert spec["template"]["metadata"]["labels"] == {LABEL_TASKS: "true"}
    few = pool(taskNodeMax="3", nodeDiskGb="80")
    assert few["limits"] == {"nodes": 3, "ephemeral-storage": "240Gi"}


def _required(spec: Any, label: str) -> list[str]:
    (found,) = (
        one["values"] for one in spec["template"]["spec"]["requirements"] if one["key"] == label
    )
    return list(found)


def test_they_are_spot_only_where_that_is_asked_for(scaled: Program) -> None:
    spec = scaled.one(NODE_POOL).inputs["spec"]
    assert _required(spec, "karpenter.sh/capacity-type") == ["on-demand"]
    both = pool(taskNodeSpot="true", taskNodeTypes='["m5.large"]')
    assert _required(both, "karpenter.sh/capacity-type") == ["spot", "on-demand"]
    assert _required(both, "node.kubernetes.io/instance-type") == ["m5.large"]


def test_only_idle_ones_go_and_all_of_them_at_once() -> None:
    disruption = pool(taskNodeIdleSeconds="7")["disruption"]
    assert (disruption["consolidationPolicy"], disruption["consolidateAfter"]) == (
        "WhenEmpty",
        "7s",
    )
    assert {"nodes": "100%", "reasons": ["Empty"]} in disruption["budgets"]


def test_a_node_is_made_like_a_worker_and_gives_its_credentials_to_no_task(scaled: Program) -> None:
    spec = scaled.one(NODE_CLASS).inputs["spec"]
    profile = scaled.one("aws:iam/instanceProfile:InstanceProfile", "-task-node")
    assert spec["instanceProfile"] == profile.name
    assert spec["securityGroupSelectorTerms"] == [{"id": "sg-cluster"}]
    subnets = [one for one in scaled.of_type("aws:ec2/subnet:Subnet") if "private" in one.name]
    assert spec["subnetSelectorTerms"] == [{"id": f"{subnet.name}-id"} for subnet in subnets]
    assert spec["metadataOptions"]["httpTokens"] == "required"
    assert spec["metadataOptions"]["httpPutResponseHopLimit"] == 1
    (disk,) = spec["blockDeviceMappings"]
    assert disk["ebs"]["encrypted"] is True
    assert disk["ebs"]["volumeSize"] == "50Gi"
    assert spec["tags"] == {"aerodrome:environment": "test", "aerodrome:branch": ""}


def test_the_charts_are_pinned_and_know_cluster_and_queue(scaled: Program) -> None:
    for name in ("-karpenter", "-karpenter-crd"):
        release = scaled.one(RELEASE, name).inputs
        assert release["version"] == KARPENTER_VERSION
        assert release["namespace"] == "kube-system"
    told = scaled.one(RELEASE, "-karpenter").inputs["values"]
    queue = scaled.one("aws:sqs/queue:Queue")
    assert told["settings"] == {
        "clusterName": "cluster",
        "interruptionQueue": queue.inputs["name"],
    }
    assert KARPENTER_VERSION.startswith(f"{KARPENTER.line}.")


@pytest.mark.parametrize(("fewest", "replicas"), [("1", 1), ("2", 2)])
def test_there_is_a_second_one_where_it_has_a_node(fewest: str, replicas: int) -> None:
    program = run_program({**CONFIG, "nodeMin": fewest}, SECRETS)
    assert program.one(RELEASE, "-karpenter").inputs["values"]["replicas"] == replicas


def test_its_role_makes_and_takes_away_only_what_bears_the_tags(scaled: Program) -> None:
    found = statements(scaled)
    own = {
        "kubernetes.io/cluster/aerodrome-test": "owned",
        "karpenter.k8s.aws/ec2nodeclass": "tasks",
    }
    asked = {f"aws:RequestTag/{key}": value for key, value in own.items()}
    borne = {f"aws:ResourceTag/{key}": value for key, value in own.items()}
    assert found["Launch"]["Condition"] == {"StringEquals": asked}
    assert found["TakeAway"]["Condition"] == {"StringEquals": borne}
    assert found["LaunchByTemplate"]["Condition"] == {"StringEquals": borne}
    assert asked.items() < found["TagWhatIsMade"]["Condition"]["StringEquals"].items()
    writing = {"CreateFleet", "RunInstances", "CreateLaunchTemplate", "CreateTags"}
    unconditional = [
        sid
        for sid, one in found.items()
        if "Condition" not in one and {f"ec2:{name}" for name in writing} & {*one["Action"]}
    ]
    assert unconditional == ["LaunchFrom"]
    assert all(
        resource.rpartition(":")[2].partition("/")[0]
        in ("image", "snapshot", "security-group", "subnet")
        for resource in found["LaunchFrom"]["Resource"]
    )


def test_everything_is_allowed_only_where_there_is_no_resource_to_name(scaled: Program) -> None:
    found = statements(scaled)
    assert [sid for sid, one in found.items() if "*" in one["Resource"]] == [
        "LookAround",
        "ReadPrices",
        "ListProfiles",
    ]
    reading = ("Describe", "Get", "List")
    for sid in ("LookAround", "ReadPrices", "ListProfiles"):
        assert all(one.split(":")[1].startswith(reading) for one in found[sid]["Action"])


def test_its_role_gives_the_nodes_role_alone_and_reads_its_own_queue_alone(scaled: Program) -> None:
    found = statements(scaled)
    role = scaled.one("aws:iam/role:Role", "-task-node").name
    assert found["GiveRole"]["Resource"] == [f"arn:aws:iam:::{role}"]
    queue = scaled.one("aws:sqs/queue:Queue").name
    assert found["HearOfInterruptions"]["Resource"] == [f"arn:aws:sqs:::{queue}"]


def test_the_role_is_for_karpenters_pods(scaled: Program) -> None:
    tied = scaled.one("aws:eks/podIdentityAssociation:PodIdentityAssociation", "-karpenter").inputs
    assert (tied["namespace"], tied["serviceAccount"]) == ("kube-system", "karpenter")
    entry = scaled.one("aws:eks/accessEntry:AccessEntry", "-task-node").inputs
    assert entry["type"] == "EC2_LINUX"


def test_the_queue_is_encrypted_and_takes_from_its_own_rules_alone(scaled: Program) -> None:
    assert scaled.one("aws:sqs/queue:Queue").inputs["sqsManagedSseEnabled"] is True
    policy = json.loads(scaled.one("aws:sqs/queuePolicy:QueuePolicy").inputs["policy"])
    taking, refusing = policy["Statement"]
    rules = "arn:aws:events:eu-north-1:123456789012:rule/aerodrome-test-node-*"
    assert taking["Condition"] == {"ArnLike": {"aws:SourceArn": rules}}
    assert refusing["Effect"] == "Deny"
    patterns = [
        json.loads(rule.inputs["eventPattern"])
        for rule in scaled.of_type("aws:cloudwatch/eventRule:EventRule")
    ]
    assert sorted((*one["source"], *one["detail-type"]) for one in patterns) == sorted(
        EVENTS.values()
    )
    for target in scaled.of_type("aws:cloudwatch/eventTarget:EventTarget"):
        assert target.inputs["arn"] == f"arn:aws:sqs:::{scaled.one('aws:sqs/queue:Queue').name}"


@pytest.mark.parametrize(
    ("first", "needed"),
    [
        ((RELEASE, "-airflow"), (NODE_POOL, "")),
        ((NODE_POOL, ""), (NODE_CLASS, "")),
        ((NODE_CLASS, ""), (RELEASE, "-karpenter")),
        ((RELEASE, "-karpenter"), (RELEASE, "-karpenter-crd")),
        ((RELEASE, "-karpenter"), ("aws:iam/rolePolicy:RolePolicy", "-karpenter")),
        ((RELEASE, "-karpenter"), ("aws:eks/accessEntry:AccessEntry", "-task-node")),
        ((RELEASE, "-karpenter"), ("aws:sqs/queue:Queue", "")),
        ((RELEASE, "-karpenter"), ("eks:index:ManagedNodeGroup", "")),
    ],
)
def test_what_goes_first_still_has_what_it_needs(
    scaled: Program, first: tuple[str, str], needed: tuple[str, str]
) -> None:
    def one(found: tuple[str, str]) -> Registration:
        return scaled.one(*found)

    assert scaled.depends_on(one(first), one(needed))


def _pods(program: Program, namespace: str) -> tuple[Any, Any]:
    release = program.one(RELEASE, "-airflow").inputs
    rendered = render_exactly(dict(release["values"]), "airflow", namespace)
    assert not rendered.error
    pod = rendered.worker()["spec"]
    return pod.get("nodeSelector"), pod.get("tolerations")


def test_pods_of_tasks_run_there_and_nowhere_else(program: Program, scaled: Program) -> None:
    tolerated = {"key": LABEL_TASKS, "operator": "Equal", "value": "true", "effect": "NoSchedule"}
    assert _pods(scaled, "airflow") == ({LABEL_TASKS: "true"}, [tolerated])
    assert _pods(program, "airflow") == (None, None)


def test_a_branchs_tasks_use_its_bases(program: Program, scaled: Program) -> None:
    for base, key in ((scaled, LABEL_TASKS), (program, "")):
        branch = run_program({**BRANCH, "taskNodes": "true"}, BRANCH_SECRETS, {BASE: base})
        assert values(branch)["workers"]["ownNodes"] == key
        assert not [one for one in branch.resources if "Node" in one.type]

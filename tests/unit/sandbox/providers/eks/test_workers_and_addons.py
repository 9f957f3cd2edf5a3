"""eks:index:ManagedNodeGroup and eks:index:Addon find their cluster by reference."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from sandbox.wire.values import UNKNOWN, ResourceReference
from tests.unit.sandbox.providers.conformance.real_engine import urn

CLUSTER = ResourceReference(urn("eks:index:Cluster", "c"))
ROLE = urn("aws:iam/role:Role", "node")
ATTACHMENT = urn("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "node")


@pytest.fixture
def role(bench: Any) -> ResourceReference:
    bench.engine.states[ROLE] = ("node", {"arn": "arn:node"})
    return ResourceReference(ROLE, "node")


def test_workers_take_what_they_are_not_told_from_the_cluster(
    bench: Any, role: ResourceReference
) -> None:
    bench.cluster()
    result = bench.construct(
        "eks:index:ManagedNodeGroup", "workers", inputs={"cluster": CLUSTER, "nodeRole": role}
    )
    group = bench.engine.one("workers", "nodeGroup:NodeGroup")
    assert group.inputs == {
        "clusterName": "real",
        "nodeRoleArn": "arn:node",
        "scalingConfig": {"desiredSize": 2, "minSize": 1, "maxSize": 2},
        "subnetIds": ["public-a", "public-b", "private-a", "private-b"],
        "version": "1.36",
    }
    assert ROLE in group.dependencies
    assert group.version == "7.25.0"
    assert bench.state(result)["nodeGroup"].urn.endswith("NodeGroup::workers")


def test_what_they_are_told_is_passed_on(bench: Any) -> None:
    bench.cluster()
    wanted = {
        "capacityType": "SPOT",
        "diskSize": 50,
        "instanceTypes": ["m7i.large"],
        "labels": {"a": "b"},
        "subnetIds": ["private-a"],
        "scalingConfig": {"desiredSize": 3, "minSize": 3, "maxSize": 3},
        "version": "1.35",
    }
    bench.construct(
        "eks:index:ManagedNodeGroup",
        "workers",
        inputs={"cluster": CLUSTER, "nodeRoleArn": "arn:node", **wanted},
        dependencies={"nodeRoleArn": [ATTACHMENT]},
    )
    group = bench.engine.one("workers", "nodeGroup:NodeGroup")
    assert wanted.items() <= group.inputs.items()
    assert ATTACHMENT in group.dependencies


def test_workers_in_a_preview(bench: Any, role: ResourceReference) -> None:
    bench.engine.preview = True
    bench.cluster(version=None)
    bench.construct(
        "eks:index:ManagedNodeGroup", "workers", inputs={"cluster": CLUSTER, "nodeRole": role}
    )
    assert bench.engine.one("workers", "nodeGroup:NodeGroup").inputs["version"] is UNKNOWN


def test_workers_need_exactly_one_role(bench: Any, role: ResourceReference) -> None:
    bench.cluster()
    for roles in ({}, {"nodeRole": role, "nodeRoleArn": "arn:node"}):
        with pytest.raises(grpc.RpcError, match="Exactly one of 'nodeRole' and 'nodeRoleArn'"):
            bench.construct(
                "eks:index:ManagedNodeGroup", "workers", inputs={"cluster": CLUSTER, **roles}
            )


def test_options_that_need_a_launch_template_are_refused(bench: Any) -> None:
    bench.cluster()
    before = bench.engine.names()
    with pytest.raises(grpc.RpcError, match="does not know the option userData"):
        bench.construct(
            "eks:index:ManagedNodeGroup",
            "workers",
            inputs={"cluster": CLUSTER, "nodeRoleArn": "arn:node", "userData": "x"},
        )
    assert bench.engine.names() == before


def test_an_add_on_lies_under_its_cluster_whatever_its_parent(bench: Any) -> None:
    bench.cluster()
    result = bench.construct(
        "eks:index:Addon",
        "dns",
        inputs={
            "cluster": CLUSTER,
            "addonName": "coredns",
            "configurationValues": {"replicaCount": 2},
        },
    )
    assert result.urn == urn("eks:index:Addon", "dns", "eks:index:Cluster$")
    addon = bench.engine.one("dns", "addon:Addon")
    assert addon.inputs == {
        "addonName": "coredns",
        "addonVersion": "v1-coredns",
        "clusterName": "real",
        "configurationValues": json.dumps({"replicaCount": 2}),
        "preserve": True,
        "resolveConflictsOnCreate": "OVERWRITE",
        "resolveConflictsOnUpdate": "OVERWRITE",
    }


def test_an_add_on_of_a_given_version_asks_nobody(bench: Any) -> None:
    bench.cluster()
    bench.engine.invokes.clear()
    bench.construct(
        "eks:index:Addon",
        "dns",
        inputs={"cluster": CLUSTER, "addonName": "coredns", "addonVersion": "v1.12"},
    )
    assert bench.engine.invokes == []


def test_several_at_once_do_not_meet(bench: Any) -> None:
    """The engine asks for all that are ready; the SDK keeps its settings by request."""
    bench.cluster()
    names = [f"addon-{number}" for number in range(8)]

    def construct(name: str) -> str:
        inputs = {"cluster": CLUSTER, "addonName": name, "addonVersion": f"v-{name}"}
        urn: str = bench.construct("eks:index:Addon", name, inputs).urn
        return urn

    with ThreadPoolExecutor(len(names)) as pool:
        urns = list(pool.map(construct, names))
    assert urns == [urn("eks:index:Addon", name, "eks:index:Cluster$") for name in names]
    for name, component in zip(names, urns, strict=True):
        addon = bench.engine.one(name, "addon:Addon")
        assert (addon.inputs["addonName"], addon.inputs["addonVersion"]) == (name, f"v-{name}")
        assert addon.parent == component


def test_whose_the_size_is_becomes_an_ignored_property(bench: Any, role: ResourceReference) -> None:
    bench.cluster()
    for number, (given, ignored) in enumerate(
        [(True, ["scalingConfig.desiredSize"]), (False, [])], start=1
    ):
        bench.construct(
            "eks:index:ManagedNodeGroup",
            f"workers-{number}",
            inputs={"cluster": CLUSTER, "nodeRole": role, "ignoreScalingChanges": given},
        )
        group = bench.engine.one(f"workers-{number}", "nodeGroup:NodeGroup")
        assert group.ignore_changes == ignored

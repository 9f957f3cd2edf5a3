"""pulumi-resource-eks, spoken to as the real engine speaks; it speaks back to the monitor."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from sandbox.wire.marshal import from_struct
from sandbox.wire.values import UNKNOWN, Properties, ResourceReference, reveal
from tests.unit.sandbox.providers.conformance.real_engine import RealEngine, urn
from tests.unit.sandbox.providers.eks.conftest import FakeEngine

CLUSTER, WORKERS = "eks:index:Cluster", "eks:index:ManagedNodeGroup"
VPC = urn("aws:ec2/vpc:Vpc", "vpc")
SUBNET = urn("aws:ec2/subnet:Subnet", "a")
AWS = f"{urn('pulumi:providers:aws', 'aws')}::11111111-2222-4333-8444-555555555555"
INPUTS: Properties = {
    "authenticationMode": "API",
    "skipDefaultNodeGroup": True,
    "name": "real",
    "version": "1.36",
    "vpcId": "vpc-1",
    "privateSubnetIds": ["subnet-a"],
}
DEPENDENCIES = {"vpcId": [VPC], "privateSubnetIds": [SUBNET]}
Start = Callable[[FakeEngine], AbstractContextManager[RealEngine]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    @contextmanager
    def start(monitor: FakeEngine) -> Iterator[RealEngine]:
        with RealEngine("eks", tmp_path, {}, monitor) as engine:
            engine.greet()
            engine.configure("default_4_4_0", version="4.4.0")
            yield engine

    return start


def construct(engine: RealEngine, *, dry_run: bool = False, **changes: object) -> Properties:
    answer = engine.construct(
        CLUSTER,
        "c",
        {**INPUTS, **changes},
        dry_run=dry_run,
        dependencies=DEPENDENCIES,
        providers={"aws": AWS},
    )
    return from_struct(answer.state)


def test_a_component_is_registered_with_its_children_and_answered(start: Start) -> None:
    monitor = FakeEngine()
    with start(monitor) as engine:
        state = construct(engine)
        component = monitor.one("c", CLUSTER)
        assert component.parent == urn("pulumi:pulumi:Stack", "test-dev")
        cluster = monitor.one("c-eksCluster")
        assert SUBNET in cluster.dependencies
        assert cluster.property_dependencies["vpcConfig"]
        reference = reveal(state["eksCluster"])
        assert isinstance(reference, ResourceReference)
        assert reference.urn.endswith("$aws:eks/cluster:Cluster::c-eksCluster")
        # Its outputs are registered before the answer, as a language host does it.
        assert set(monitor.component_outputs[urn(CLUSTER, "c")]) == set(state)
        children = [r for r in monitor.registrations if r.type.startswith("aws:")]
        assert {child.provider for child in children} == {AWS}


def test_in_a_preview_what_is_unknown_travels_as_such(start: Start) -> None:
    monitor = FakeEngine(preview=True)
    with start(monitor) as engine:
        state = construct(engine, dry_run=True, vpcId=UNKNOWN)
        assert monitor.one("c-nodeSecurityGroup").inputs["vpcId"] is UNKNOWN
        assert reveal(state["kubeconfig"]) is UNKNOWN


def test_another_component_takes_the_first_by_reference(start: Start) -> None:
    monitor = FakeEngine()
    with start(monitor) as engine:
        construct(engine)
        engine.construct(
            WORKERS,
            "workers",
            {"cluster": ResourceReference(urn(CLUSTER, "c")), "nodeRoleArn": "arn:role"},
            dry_run=False,
            dependencies={"cluster": [urn(CLUSTER, "c")]},
            providers={"aws": AWS},
        )
        group = monitor.one("workers", "nodeGroup:NodeGroup")
        assert group.inputs["clusterName"] == "real"


@pytest.mark.parametrize("dry_run", [True, False])
def test_methods(start: Start, dry_run: bool) -> None:
    with start(FakeEngine()) as engine:
        construct(engine)
        answer = engine.call(
            "eks:index:Cluster/getKubeconfig",
            ResourceReference(urn(CLUSTER, "c")),
            dry_run=dry_run,
        )
        assert "eks get-token" in str(reveal(answer["result"])).replace('", "', " ")


def test_it_ends_when_it_is_told_to(start: Start) -> None:
    with start(FakeEngine()) as engine:
        assert engine.close() == 0

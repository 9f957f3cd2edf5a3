"""With a cluster that is there already the program makes none, and no network; what it puts into it is the environment's."""

import json
from typing import Any

import pytest

from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import SECRETS, Program, run_program
from tests.program.test_existing_network import OF_A_NETWORK
from tests.program.test_rollouts import EXISTING_CLUSTER

EVERYTHING = {
    "environment": "test",
    "database": "rds",
    "monitoring": "metrics",
    "executor": "CeleryExecutor",
    "uiHost": "airflow.example.org",
    "uiCertificateArn": "arn:aws:acm:eu-north-1:123456789012:certificate/0a1b",
    **EXISTING_CLUSTER,
}
NOT_OURS = {
    *("eks:index:Cluster", "eks:index:ManagedNodeGroup", "eks:index:Addon", "aws:kms/key:Key"),
    *("aws:cloudwatch/logGroup:LogGroup", "aws:ec2/instance:Instance", "aws:ec2/eip:Eip"),
}
SCOPE = {"type": "namespace", "namespaces": ["airflow", "monitoring"]}


@pytest.fixture(scope="module")
def guest() -> Program:
    return run_program(EVERYTHING, SECRETS)


def test_nothing_is_made_of_a_cluster_or_a_network(guest: Program, program: Program) -> None:
    types = {one.type for one in guest.resources}
    assert not types & (NOT_OURS | OF_A_NETWORK)
    assert {one.type for one in program.resources} > NOT_OURS - {"aws:ec2/eip:Eip"}
    # Not even read and kept: what is in a state is deleted with it.
    assert not [one for one in guest.resources if one.type.startswith("aws:eks/cluster:")]


def test_the_way_into_it_is_the_callers_own(guest: Program) -> None:
    text = guest.one("pulumi:providers:kubernetes").inputs["kubeconfig"]
    found = json.loads(text)
    assert found["clusters"][0]["cluster"] == {
        "server": "https://team.eks.example.com",
        "certificate-authority-data": "LS0tLS1CRUdJTg==",
    }
    login = found["users"][0]["user"]["exec"]
    assert [login["command"], *login["args"]] == [
        *("aws", "--region", "eu-north-1", "eks", "get-token", "--cluster-name", "team"),
        *("--output", "json"),
    ]
    assert guest.outputs["clusterName"] == "team"
    assert json.loads(guest.outputs["kubeconfig"]) == found


def test_what_pods_may_do_is_tied_to_that_cluster(guest: Program) -> None:
    ties = guest.of_type("aws:eks/podIdentityAssociation:PodIdentityAssociation")
    assert {one.inputs["clusterName"] for one in ties} == {"team"}
    assert {one.inputs["namespace"] for one in ties} == {"airflow"}


def test_nobody_gets_more_than_its_namespaces(guest: Program, program: Program) -> None:
    (scope,) = (
        one.inputs["accessScope"]
        for one in guest.of_type("aws:eks/accessPolicyAssociation:AccessPolicyAssociation")
    )
    assert scope == SCOPE
    operator = next(
        one.inputs["policy"]
        for one in guest.of_type("aws:iam/policy:Policy")
        if one.name.endswith("-operator")
    )
    assert "logs:" not in operator
    assert any("logs:" in one.inputs["policy"] for one in program.of_type("aws:iam/policy:Policy"))


def test_its_disks_have_a_class_of_its_own(guest: Program) -> None:
    made = guest.one("kubernetes:storage.k8s.io/v1:StorageClass").inputs
    assert made["metadata"] == {"name": "aerodrome-test-gp3"}
    assert guest.outputs["storageClass"] == "aerodrome-test-gp3"
    named: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, dict):
            named.extend(value[key] for key in ("storageClass",) if value.get(key))
            for inner in value.values():
                look(inner)

    for release in guest.of_type("kubernetes:helm.sh/v3:Release"):
        look(release.inputs["values"])
    assert set(named) == {"aerodrome-test-gp3"}


def test_the_database_is_in_its_network_for_all_that_is(guest: Program) -> None:
    (group,) = guest.of_type("aws:ec2/securityGroup:SecurityGroup")
    assert group.inputs["vpcId"] == "vpc-0123456789abcdef0"
    subnets = guest.one("aws:rds/subnetGroup:SubnetGroup").inputs["subnetIds"]
    assert subnets == ["subnet-00000001", "subnet-00000002"]
    rule = guest.one("aws:ec2/securityGroupRule:SecurityGroupRule")
    # A node group may be in subnets that EKS does not name, and pods in addresses of their own.
    assert rule.inputs["cidrBlocks"] == ["10.70.0.0/16", "100.64.0.0/16"]


def test_a_branch_on_it_stands_where_its_base_does(guest: Program) -> None:
    branch = run_program({**BRANCH, "executor": "CeleryExecutor"}, BRANCH_SECRETS, {BASE: guest})
    assert branch.outputs["clusterName"] == "team"
    ties = branch.of_type("aws:eks/podIdentityAssociation:PodIdentityAssociation")
    assert {one.inputs["clusterName"] for one in ties} == {"team"}
    release = branch.one("kubernetes:helm.sh/v3:Release", "-airflow").inputs["values"]
    assert release["redis"]["storage"]["storageClass"] == "aerodrome-test-gp3"

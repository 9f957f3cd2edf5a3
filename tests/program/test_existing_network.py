"""With a VPC that is there already the program makes no network, and puts all that needs one into it."""

from typing import Any

import pytest

from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import SECRETS, Program, run_program
from tests.program.test_rollouts import EXISTING_NETWORK

VPC = EXISTING_NETWORK["vpcId"]
PRIVATE = ["subnet-00000001", "subnet-00000002"]
PUBLIC = ["subnet-00000003"]
EVERYTHING = {
    "environment": "test",
    "database": "rds",
    "flowLogs": "true",
    "taskNodes": "true",
    "uiHost": "airflow.example.org",
    "uiCertificateArn": "arn:aws:acm:eu-north-1:123456789012:certificate/0a1b",
    **EXISTING_NETWORK,
}
OF_A_NETWORK = {
    f"aws:ec2/{kind[:1].lower()}{kind[1:]}:{kind}"
    for kind in (
        *("Vpc", "Subnet", "InternetGateway", "NatGateway", "RouteTable", "Route"),
        *("RouteTableAssociation", "VpcEndpoint", "Tag"),
    )
}


@pytest.fixture(scope="module")
def placed() -> Program:
    return run_program(EVERYTHING, SECRETS)


def test_nothing_is_made_of_a_network(placed: Program, program: Program) -> None:
    assert not {one.type for one in placed.resources} & OF_A_NETWORK
    assert {one.type for one in program.resources} & OF_A_NETWORK
    # The one address is the Rancher server's, and no gateway has one.
    (address,) = placed.of_type("aws:ec2/eip:Eip")
    assert address.name.endswith("-rancher")


def test_all_that_has_a_place_is_in_it(placed: Program) -> None:
    cluster = placed.one("eks:index:Cluster").inputs
    assert cluster["vpcId"] == VPC
    assert (cluster["privateSubnetIds"], cluster["publicSubnetIds"]) == (PRIVATE, PUBLIC)
    assert placed.one("eks:index:ManagedNodeGroup").inputs["subnetIds"] == PRIVATE
    assert placed.one("aws:rds/subnetGroup:SubnetGroup").inputs["subnetIds"] == PRIVATE
    assert placed.one("aws:ec2/instance:Instance").inputs["subnetId"] == PUBLIC[0]
    groups = placed.of_type("aws:ec2/securityGroup:SecurityGroup")
    assert {one.inputs["vpcId"] for one in groups} == {VPC}
    assert placed.one("aws:ec2/flowLog:FlowLog").inputs["vpcId"] == VPC


def test_karpenter_has_the_subnets_by_id_and_may_use_no_other(placed: Program) -> None:
    nodes = placed.one("kubernetes:karpenter.k8s.aws/v1:EC2NodeClass").inputs["spec"]
    assert nodes["subnetSelectorTerms"] == [{"id": subnet} for subnet in PRIVATE]
    (policy,) = (
        one.inputs["policy"]
        for one in placed.of_type("aws:iam/rolePolicy:RolePolicy")
        if one.name.endswith("-karpenter")
    )
    assert all(f"subnet/{subnet}" in policy for subnet in PRIVATE)
    assert PUBLIC[0] not in policy


def test_who_may_come_in_goes_by_the_addresses_that_the_vpc_has(placed: Program) -> None:
    rules = placed.of_type("aws:ec2/securityGroupRule:SecurityGroupRule")
    (database,) = (one for one in rules if one.inputs["description"] == "Airflow")
    assert database.inputs["cidrBlocks"] == ["10.70.1.0/24", "10.70.2.0/24"]
    values = placed.one("kubernetes:helm.sh/v3:Release", "-airflow").inputs["values"]
    # Those that were taken off the VPC again are not among them.
    assert values["ui"]["ingress"]["networks"] == ["10.70.0.0/16", "100.64.0.0/16"]


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ('["s3"]', {"s3": "Gateway"}),
        ('["sts"]', {"sts": "Interface"}),
        ("[]", {}),
    ],
)
def test_endpoints_are_made_where_somebody_asks_for_them(asked: str, made: dict[str, str]) -> None:
    third = '["subnet-00000001", "subnet-00000002", "subnet-00000004"]'
    config = {"environment": "test", **EXISTING_NETWORK, "privateSubnetIds": third}
    program = run_program({**config, "vpcEndpoints": asked}, SECRETS)
    found: list[Any] = [
        one.inputs for one in program.resources if one.type == "aws:ec2/vpcEndpoint:VpcEndpoint"
    ]
    assert {one["serviceName"].split(".")[-1]: one["vpcEndpointType"] for one in found} == made
    for one in found:
        assert one["vpcId"] == VPC
        # One in each zone, and the first and the third subnet are in the same.
        assert one.get("subnetIds", PRIVATE) == PRIVATE
        assert one.get("routeTableIds", ["rtb-existing"]) == ["rtb-existing"]
    if "Interface" in made.values():
        (group,) = (
            one
            for one in program.of_type("aws:ec2/securityGroup:SecurityGroup")
            if one.name.endswith("-endpoints")
        )
        (rule,) = group.inputs["ingress"]
        assert rule["cidrBlocks"] == ["10.70.0.0/16", "100.64.0.0/16"]


def test_a_branch_asks_for_no_network(program: Program) -> None:
    """Its base's is in its cluster; the pipeline's roles may not look at VPCs."""
    config = {**BRANCH, **EXISTING_NETWORK}
    branch = run_program(config, BRANCH_SECRETS, {BASE: program})
    assert VPC not in str([one.inputs for one in branch.resources])

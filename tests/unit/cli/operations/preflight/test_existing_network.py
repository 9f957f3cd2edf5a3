"""What an existing VPC must be for an environment, each lack by its name; and what is asked of AWS for that."""

from dataclasses import replace
from typing import Any

import pytest

from cli.base.environments import Environment
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.preflight import existing_network
from cli.operations.preflight.existing_network import (
    INTERNAL_TAG,
    PUBLIC_TAG,
    NetworkFound,
    NetworkRequest,
    check_settings,
    judge,
    needed_addresses,
    remark,
)
from cli.operations.preflight.refusal import Refusal

VPC, OTHER = "vpc-0123456789abcdef0", "vpc-0123456789abcdef1"
A, B, OUT = "subnet-0000000a", "subnet-0000000b", "subnet-0000000c"
GATEWAY = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"}
NAT = {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "active"}
LOCAL = {"DestinationCidrBlock": "10.50.0.0/16", "GatewayId": "local", "State": "active"}

ASKED = NetworkRequest(
    VPC, (A, B), (OUT,), "eu-north-1", ("m7i.large",), 2, 4, False, "", frozenset()
)


def subnet(name: str, zone: str, free: int = 4000, **more: Any) -> dict[str, Any]:
    return {
        "SubnetId": name,
        "VpcId": VPC,
        "AvailabilityZone": f"eu-north-1{zone}",
        "AvailableIpAddressCount": free,
        "Tags": [],
        **more,
    }


def table(*routes: Any, of: tuple[str, ...] = (), main: bool = False) -> dict[str, Any]:
    links = [{"Main": False, "SubnetId": one} for one in of]
    return {"Routes": [LOCAL, *routes], "Associations": links + ([{"Main": True}] if main else [])}


def vpc(*networks: str, **more: Any) -> dict[str, Any]:
    blocks = [
        {"CidrBlock": one, "CidrBlockState": {"State": "associated"}}
        for one in networks or ("10.50.0.0/16",)
    ]
    return {"VpcId": VPC, "OwnerId": "1" * 12, "CidrBlockAssociationSet": blocks, **more}


FOUND = NetworkFound(
    "1" * 12,
    vpc(),
    {"enableDnsSupport": True, "enableDnsHostnames": True},
    {A: subnet(A, "a"), B: subnet(B, "b"), OUT: subnet(OUT, "a")},
    # The private ones have the main table, as many do.
    [table(GATEWAY, of=(OUT,)), table(NAT, main=True)],
    [],
    [(3, 10)],
)
CLOSED = [table(GATEWAY, of=(OUT,)), table(main=True)]


def with_subnets(*changed: dict[str, Any]) -> NetworkFound:
    return replace(FOUND, subnets={**FOUND.subnets, **{one["SubnetId"]: one for one in changed}})


def endpoint(service: str, state: str = "available") -> dict[str, Any]:
    return {"ServiceName": f"com.amazonaws.eu-north-1.{service}", "State": state}


ALL_ENDPOINTS = [endpoint(one) for one in ("ec2", "ecr.api", "ecr.dkr", "eks-auth", "s3", "sts")]


def refused(found: NetworkFound, **changed: Any) -> Refusal:
    refusal = judge(replace(ASKED, **changed), found)
    assert refusal is not None
    return refusal


TRANSIT = {"DestinationCidrBlock": "0.0.0.0/0", "TransitGatewayId": "tgw-1", "State": "active"}


@pytest.mark.parametrize(
    ("found", "changed"),
    [
        (FOUND, {}),
        (replace(FOUND, tables=[table(GATEWAY, of=(OUT,)), table(TRANSIT, of=(A, B))]), {}),
        (replace(FOUND, tables=CLOSED, endpoints=ALL_ENDPOINTS), {}),
        (
            replace(FOUND, tables=CLOSED, endpoints=ALL_ENDPOINTS[:4]),
            {"made_endpoints": frozenset({"s3", "sts"})},
        ),
        (replace(FOUND, vpc=vpc("172.20.0.0/16")), {}),
        (replace(FOUND, vpc=vpc("10.0.0.0/8")), {}),
        (FOUND, {"public": ()}),
        # What is going is none.
        (
            replace(FOUND, endpoints=[endpoint("sts", "deleting")]),
            {"made_endpoints": frozenset({"sts"})},
        ),
    ],
    ids=["NAT", "transit", "endpoints", "made", "172.20", "10/8", "private alone", "going"],
)
def test_what_is_enough(found: NetworkFound, changed: dict[str, Any]) -> None:
    assert judge(replace(ASKED, **changed), found) is None


@pytest.mark.parametrize(
    ("found", "setting", "said"),
    [
        (replace(FOUND, vpc=None), "vpcId", f"There is no VPC {VPC} in eu-north-1"),
        (
            replace(FOUND, vpc=vpc(OwnerId="2" * 12)),
            "vpcId",
            f"The VPC {VPC} is of the account {'2' * 12}",
        ),
        (
            replace(FOUND, vpc=vpc(Tags=[{"Key": "aerodrome:environment", "Value": "main"}])),
            "vpcId",
            f'{VPC} belongs to the environment "main"',
        ),
        (
            with_subnets(subnet(B, "b", Tags=[{"Key": "aerodrome:environment", "Value": "x"}])),
            "vpcId",
            f'{B} belongs to the environment "x"',
        ),
        (
            replace(FOUND, subnets={A: FOUND.subnets[A], OUT: FOUND.subnets[OUT]}),
            "privateSubnetIds",
            f"There is no subnet {B} in eu-north-1",
        ),
        (
            with_subnets(subnet(OUT, "a", VpcId=OTHER)),
            "publicSubnetIds",
            f"The subnet {OUT} is not in {VPC}",
        ),
        (with_subnets(subnet(B, "a")), "privateSubnetIds", "is in one zone, eu-north-1a"),
        (
            replace(FOUND, attributes={"enableDnsSupport": True, "enableDnsHostnames": False}),
            "vpcId",
            f"The VPC {VPC} has enableDnsHostnames off",
        ),
        (replace(FOUND, tables=CLOSED), "privateSubnetIds", f"{A} and {B} have no way out"),
        (
            replace(FOUND, tables=[*FOUND.tables, table({**NAT, "State": "blackhole"}, of=(B,))]),
            "privateSubnetIds",
            f"{B} has no way out",
        ),
        (
            replace(FOUND, tables=[table(GATEWAY, main=True)]),
            "privateSubnetIds",
            f"{A} and {B} lead to an internet gateway",
        ),
        (
            replace(FOUND, tables=[table(NAT, main=True)]),
            "publicSubnetIds",
            f"{OUT} leads to no internet gateway",
        ),
        (
            replace(FOUND, vpc=vpc("10.0.0.0/16", "10.100.64.0/18", "172.16.0.0/12")),
            "vpcId",
            "has the addresses of the cluster's Services",
        ),
        (
            with_subnets(subnet(B, "b", free=5)),
            "privateSubnetIds",
            f"The subnet {B} has 5 free addresses",
        ),
        (
            with_subnets(subnet(A, "a", free=20), subnet(B, "b", free=51)),
            "privateSubnetIds",
            "The private subnets have 71 free addresses, and 72 are needed",
        ),
    ],
)
def test_what_is_not_is_named(found: NetworkFound, setting: str, said: str) -> None:
    refusal = refused(found)
    assert said in refusal.summary
    assert refusal.setting == setting
    shown = refusal.error(Environment("dev"))
    assert "Nothing was changed." in shown.detail
    assert shown.command.startswith(("./aerodrome config set", "aws ec2 "))


def test_endpoints_that_are_missing_are_named() -> None:
    refusal = refused(replace(FOUND, tables=CLOSED, endpoints=ALL_ENDPOINTS[2:]))
    assert "these are missing: ec2, ecr.api." in refusal.detail


def test_a_private_api_is_reached_by_nodes_that_reach_systems_manager() -> None:
    closed = replace(FOUND, tables=CLOSED, endpoints=ALL_ENDPOINTS)
    refusal = refused(closed, sessions=True)
    assert "these are missing: ssm, ssmmessages." in refusal.detail
    asked = existing_network.request(
        requested(endpointAccess="private", vpcEndpoints='["ssm"]'), "eu-north-1"
    )
    assert asked is not None
    assert asked.sessions
    assert asked.made_endpoints == {"ssm", "ssmmessages"}


def test_an_endpoint_that_is_there_is_not_made_again() -> None:
    refusal = refused(
        replace(FOUND, endpoints=[endpoint("sts")]), made_endpoints=frozenset({"s3", "sts"})
    )
    assert "has an endpoint of sts already" in refusal.summary
    assert refusal.command(Environment("dev")).endswith("vpcEndpoints '[]' --env dev")


def test_who_owns_the_vpc_is_told_what_to_do() -> None:
    off = replace(FOUND, attributes={"enableDnsSupport": False, "enableDnsHostnames": False})
    assert refused(off).command(Environment("dev")) == (
        f"aws ec2 modify-vpc-attribute --region eu-north-1 --vpc-id {VPC} "
        "--enable-dns-support '{\"Value\": true}'"
    )


def test_subnets_without_the_tag_of_load_balancers_are_named_where_one_is_asked_for() -> None:
    refusal = refused(
        with_subnets(subnet(A, "a", Tags=[{"Key": INTERNAL_TAG, "Value": "1"}])),
        balancer=INTERNAL_TAG,
    )
    assert refusal.summary == f"{B} lacks the tag {INTERNAL_TAG}"
    assert refusal.command(Environment("dev")) == (
        f"aws ec2 create-tags --region eu-north-1 --resources {B} --tags Key={INTERNAL_TAG},Value=1"
    )
    refusal = refused(FOUND, balancer=PUBLIC_TAG)
    assert refusal.summary == f"{OUT} lacks the tag {PUBLIC_TAG}"
    assert refusal.setting == "publicSubnetIds"


def test_addresses_are_counted_for_what_starts_and_told_for_what_may_come() -> None:
    # Three nodes, 20 each; six in each of two subnets.
    assert needed_addresses(ASKED, FOUND) == 72
    assert needed_addresses(replace(ASKED, rds=True, balancer=INTERNAL_TAG), FOUND) == 90
    larger = replace(FOUND, sizes=[(3, 10), (4, 15)])
    assert needed_addresses(ASKED, larger) == 102
    assert needed_addresses(ASKED, FOUND, full=True) == 162
    few = with_subnets(subnet(A, "a", free=80), subnet(B, "b", free=81))
    assert judge(ASKED, few) is None
    assert remark(ASKED, few).startswith(
        "the private subnets have 161 free addresses, and 4 full nodes take 162"
    )
    assert remark(ASKED, FOUND) == ""


CONFIGURED = {
    "aerodrome:vpcId": VPC,
    "aerodrome:privateSubnetIds": f'["{A}", "{B}"]',
    "aerodrome:publicSubnetIds": f'["{OUT}"]',
}


def requested(**more: str) -> RequestedSettings:
    own = {f"aerodrome:{key}": value for key, value in more.items()}
    return RequestedSettings({**CONFIGURED, **own}, {})


def test_what_is_asked_follows_from_the_settings() -> None:
    asked = existing_network.request(requested(), "eu-north-1")
    assert asked == ASKED
    more = existing_network.request(
        requested(
            taskNodes="true",
            taskNodeMax="20",
            taskNodeTypes='["m7i.xlarge"]',
            database="rds",
            vpcEndpoints='["s3", "ecr"]',
            uiHost="airflow.example.org",
            uiCertificateArn="arn:aws:acm:eu-north-1:123456789012:certificate/0a1b",
        ),
        "eu-north-1",
    )
    assert more is not None
    assert (more.types, more.most_nodes, more.rds) == (("m7i.large", "m7i.xlarge"), 24, True)
    assert (more.balancer, more.of_balancer) == (INTERNAL_TAG, (A, B))
    assert more.made_endpoints == {"s3", "ecr.api", "ecr.dkr"}
    public = existing_network.request(requested(uiServiceType="LoadBalancer"), "eu-north-1")
    assert public is not None
    assert public.of_balancer == (OUT,)
    assert existing_network.request(RequestedSettings({}, {}), "eu-north-1") is None
    branch = requested(tenancy="shared", base="main")
    assert existing_network.request(branch, "eu-north-1") is None
    assert check_settings(branch) is None


@pytest.mark.parametrize(
    ("more", "said", "command"),
    [
        (
            {"vpcCidr": "10.20.0.0/16"},
            "vpcCidr is 10.20.0.0/16",
            "./aerodrome config rm vpcCidr --env dev",
        ),
        (
            {"natPerZone": "true"},
            "natPerZone is true",
            "./aerodrome config rm natPerZone --env dev",
        ),
        (
            {"privateSubnetIds": f'["{A}"]'},
            f'privateSubnetIds is ["{A}"]',
            "./aerodrome config set privateSubnetIds VALUE --env dev",
        ),
    ],
)
def test_settings_that_make_no_sense_together_are_refused_before_aws_is_asked(
    more: dict[str, str], said: str, command: str
) -> None:
    refusal = check_settings(requested(**more))
    assert refusal is not None
    assert refusal.summary == said
    assert refusal.command(Environment("dev")) == command
    assert check_settings(requested()) is None

"""What stands: since when, at what price; and what is left of something in the cloud."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cli.cloud.resource import Resource
from cli.operations.cost.standing import by_use, price, so_far
from cli.stack.backends import Found

NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)


def found(kind: str, hours: float, **inputs: object) -> Found:
    created = (NOW - timedelta(hours=hours)).isoformat()
    return Found(kind, "x", f"urn::{kind}", "1", created, inputs)


def left(service: str, kind: str, *, ending: bool = False, **facts: object) -> Resource:
    return Resource(service, kind, "1", "arn", "dev", "show", facts=facts, ending=ending)


def test_so_far_counts_each_resource_from_its_own_creation() -> None:
    stack = [
        found("aws:eks/cluster:Cluster", 10),
        found("aws:ec2/natGateway:NatGateway", 2),
        found("aws:ec2/vpc:Vpc", 10),
        found("aws:s3/bucket:Bucket", 10),
    ]
    assert so_far(stack, "us-east-1", NOW) == pytest.approx(10 * 0.10 + 2 * 0.045)


def test_so_far_of_what_nobody_knows_is_not_zero() -> None:
    assert so_far([found("aws:msk/cluster:Cluster", 1)], "us-east-1", NOW) is None
    assert so_far([found("aws:ec2/vpc:Vpc", 1)], "mars-north-1", NOW) is None


def test_so_far_of_what_stands_since_nobody_knows_when_is_not_zero() -> None:
    def stack(kind: str) -> list[Found]:
        return [found("aws:eks/cluster:Cluster", 1), Found(kind, "x", "urn", "1")]

    assert so_far(stack("aws:ec2/natGateway:NatGateway"), "us-east-1", NOW) is None
    assert so_far(stack("aws:ec2/vpc:Vpc"), "us-east-1", NOW) == pytest.approx(0.10)
    assert so_far(stack("aws:s3/bucket:Bucket"), "us-east-1", NOW) == pytest.approx(0.10)


def test_so_far_of_a_clock_that_is_ahead_is_nothing_and_not_less() -> None:
    assert so_far([found("aws:eks/cluster:Cluster", -1)], "us-east-1", NOW) == 0.0


def test_so_far_is_known_where_what_is_billed_by_use_has_no_price() -> None:
    stack = [found("aws:eks/cluster:Cluster", 3), found("aws:cloudwatch/logGroup:LogGroup", 3)]
    assert so_far(stack, "eu-north-1", NOW) == pytest.approx(0.30)


def test_a_time_without_a_zone_is_utc() -> None:
    cluster = Found("aws:eks/cluster:Cluster", "x", "urn", "1", "2027-01-31T11:00:00")
    assert so_far([cluster], "us-east-1", NOW) == pytest.approx(0.10)


@pytest.mark.parametrize(
    ("resource", "hourly"),
    [
        (left("ec2", "natgateway"), 0.045),
        (left("ec2", "elastic-ip"), 0.005),
        (left("ec2", "instance", instanceType="t3.large", State={"Name": "running"}), 0.0832),
        (left("ec2", "instance", instanceType="t3.large", State={"Name": "stopped"}), 0.0),
        (left("ec2", "instance", instanceType="t3.large", ending=True), 0.0),
        (left("ec2", "volume", size=100), 8.0 / 730),
        (left("ec2", "volume", size=100, type="gp3"), 8.0 / 730),
        (left("ec2", "vpc-endpoint", vpcEndpointType="Gateway"), 0.0),
        (left("eks", "cluster"), 0.10),
        (left("kms", "key"), 1 / 730),
        (left("kms", "key", ending=True), 0.0),
        (left("secretsmanager", "secret"), 0.4 / 730),
        (left("elasticloadbalancing", "load-balancer"), 0.0225),
        (left("elasticloadbalancing", "classic-load-balancer"), 0.025),
        (left("ec2", "security-group"), 0.0),
    ],
)
def test_what_is_left_of_something_costs(resource: Resource, hourly: float) -> None:
    assert price(resource, "us-east-1") == pytest.approx(hourly)


def test_a_database_costs_its_class_and_its_disk() -> None:
    database = left("rds", "db", **{"instanceClass": "db.t4g.small", "allocatedStorage": 20})
    assert price(database, "us-east-1") == pytest.approx(0.032 + 20 * 0.115 / 730)
    twice = left(
        "rds", "db", **{"instanceClass": "db.t4g.small", "allocatedStorage": 20, "multiAz": True}
    )
    assert price(twice, "us-east-1") == pytest.approx(0.065 + 40 * 0.115 / 730)


@pytest.mark.parametrize(
    "resource",
    [
        left("s3", ""),
        left("msk", "cluster"),
        left("ec2", "volume"),
        left("ec2", "volume", size=100, type="io2"),
        left("ec2", "vpc-endpoint", vpcEndpointType="Interface"),
        left("ec2", "instance", instanceType="q9.large"),
        left("rds", "db", **{"instanceClass": "db.q9", "allocatedStorage": 20}),
    ],
)
def test_what_nobody_knows_has_no_price(resource: Resource) -> None:
    assert price(resource, "us-east-1") is None


def test_nothing_has_a_price_in_a_region_without_any() -> None:
    assert price(left("eks", "cluster"), "mars-north-1") is None


@pytest.mark.parametrize("kind", ["ecr repository", "logs log-group", "rds snapshot", "s3"])
def test_what_is_billed_by_use_is_no_gap(kind: str) -> None:
    service, _, name = kind.partition(" ")
    assert by_use(left(service, name))


def test_what_the_catalogue_does_not_know_has_no_price_and_is_not_free() -> None:
    unknown = replace(left("ec2", "volume", size=1), known=False)
    assert price(unknown, "us-east-1") is None
    assert not by_use(unknown)

"""The things that stand: those of a stack's state, and single ones that were found in the cloud.

`so_far` is for `aerodrome list`, `price` for `aerodrome sweep`. Both are about what others found; where
there is no price they say None, and the caller shows that there is none.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from cli.base import lifetime
from cli.cloud.resource import Resource
from cli.operations.cost import prices, pricing
from cli.operations.cost.prices import Prices
from cli.operations.cost.things import Thing
from cli.stack.backends import Found


def things(found: Iterable[Found]) -> list[Thing]:
    """A stack's resources."""
    return [Thing(item.type, item.name, item.inputs, item.created) for item in found]


def so_far(found: Iterable[Found], region: str, now: datetime | None = None) -> float | None:
    """What a stack's resources have cost since they were made, at today's size, in dollars.

    None if the region has no prices, or if one of the resources has none, or costs something since
    nobody knows when. What is billed by use is not in it; nor are a shared environment's pods, which
    run on its base's workers.
    """
    if region not in prices.regions():
        return None
    table, until = prices.of(region), now or datetime.now(UTC)
    total = 0.0
    for thing in things(found):
        for line in pricing.lines(thing, table):
            if line.missing or (line.hourly and not line.created):
                return None
            total += (line.hourly or 0.0) * _hours(line.created, until)
    return total


def _hours(created: str, until: datetime) -> float:
    if not created:
        return 0.0
    return max(0.0, (until - lifetime.instant(created)).total_seconds() / 3600)


def price(resource: Resource, region: str) -> float | None:
    """What something in the cloud costs an hour, in dollars; None if nobody knows, or it is billed by use."""
    if region not in prices.regions():
        return None
    kind = _kind(resource)
    if kind in FREE_KINDS:
        return 0.0
    pricer = KINDS.get(kind)
    return pricer(resource, prices.of(region)) if pricer else None


def by_use(resource: Resource) -> bool:
    """Whether what it costs depends on what is in it, or done with it, alone."""
    return _kind(resource) in BY_USE_KINDS


def _kind(resource: Resource) -> str:
    return f"{resource.service} {resource.kind}".strip()


def _gigabytes(resource: Resource, table: Prices) -> float | None:
    """A volume of the type that the kit makes, without more operations or throughput than it comes with."""
    rate = table.month("ebs-gp3")
    size = resource.facts.get("Size")
    if resource.facts.get("VolumeType", "gp3") != "gp3":
        return None
    return None if rate is None or size is None else int(size) * rate


def _database(resource: Resource, table: Prices) -> float | None:
    two = bool(resource.facts.get("two zones"))
    instance = table.database(str(resource.facts.get("class")), two_zones=two)
    rate, size = table.month("rds-gp3"), resource.facts.get("storage")
    if instance is None or rate is None or size is None:
        return None
    return instance + (2 if two else 1) * int(size) * rate


def _balancer(resource: Resource, table: Prices) -> float | None:
    return table.hour("elb-classic" if resource.kind.startswith("classic") else "elb")


def _key(resource: Resource, table: Prices) -> float | None:
    # A key that is on its way out costs nothing.
    return 0.0 if resource.ending else table.month("kms-key")


def _instance(resource: Resource, table: Prices) -> float | None:
    if resource.ending or resource.facts.get("state") == "stopped":
        return 0.0
    return table.instance(str(resource.facts.get("InstanceType", "")))


def _endpoint(resource: Resource, _: Prices) -> float | None:
    # Those of type Gateway cost nothing; the program makes no others.
    return 0.0 if resource.facts.get("VpcEndpointType") == "Gateway" else None


def _hour(key: str) -> Callable[[Resource, Prices], float | None]:
    return lambda _, table: table.hour(key)


KINDS: Mapping[str, Callable[[Resource, Prices], float | None]] = {
    "ec2 elastic-ip": _hour("public-ipv4"),
    "ec2 instance": _instance,
    "ec2 natgateway": _hour("nat-gateway"),
    "ec2 volume": _gigabytes,
    "ec2 vpc-endpoint": _endpoint,
    "eks cluster": _hour("eks-cluster"),
    "elasticloadbalancing classic-load-balancer": _balancer,
    "elasticloadbalancing load-balancer": _balancer,
    "kms key": _key,
    "rds db": _database,
}

FREE_KINDS = frozenset(
    {
        "ec2 internet-gateway",
        "ec2 key-pair",
        "ec2 launch-template",
        "ec2 network-interface",
        "ec2 route-table",
        "ec2 security-group",
        "ec2 subnet",
        "ec2 vpc",
        "eks pod-identity-association",
        "elasticloadbalancing target-group",
        "iam group",
        "iam instance-profile",
        "iam oidc-provider",
        "iam policy",
        "iam role",
        "iam user",
        "rds subnet-group",
    }
)

BY_USE_KINDS = frozenset(
    {
        "ec2 snapshot",
        "ecr image",
        "ecr repository",
        "logs log-group",
        "rds snapshot",
        "s3",
        "s3 objects",
    }
)
"""Billed by what is in them, which nobody has weighed. What is in none of the lists is not known."""

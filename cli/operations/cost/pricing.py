"""A thing's price. Every resource type of the program is in exactly one of three lists: priced by the
hour, billed by use, or free; a test runs the program and finds a new one."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cli.operations.cost.prices import Prices
from cli.operations.cost.things import Line, Thing

Pricer = Callable[[Thing, Prices], Iterator[Line]]

RELEASE = "kubernetes:helm.sh/v3:Release"
DEFAULT_DISK_GB = 20
"""What EKS gives a worker that asks for nothing."""


def lines(thing: Thing, prices: Prices) -> Iterator[Line]:
    """What a thing costs: no line for what is free, one without a price for what nobody knows."""
    if thing.type in PRICED:
        yield from PRICED[thing.type](thing, prices)
    elif thing.type in BY_USE:
        yield from _by_use(thing, prices, *BY_USE[thing.type])
    elif thing.type not in FREE and not is_component(thing.type):
        yield _line(thing, thing.type, None)


def is_component(kind: str) -> bool:
    """Whether a type only groups others, or is Pulumi's own."""
    return kind.startswith(("aerodrome:", "eks:", "pulumi:"))


def _line(thing: Thing, what: str, hourly: float | None, detail: str = "") -> Line:
    return Line(what, thing.name, hourly, detail, created=thing.created)


def _times(count: float, price: float | None) -> float | None:
    return None if price is None else count * price


def _cluster(thing: Thing, prices: Prices) -> Iterator[Line]:
    yield _line(thing, "EKS control plane", prices.hour("eks-cluster"))


def _gateway(thing: Thing, prices: Prices) -> Iterator[Line]:
    yield _line(thing, "NAT gateway", prices.hour("nat-gateway"))
    yield from _by_use(thing, prices, "NAT gateway, data", "nat-data", "GB")


def _address(thing: Thing, prices: Prices) -> Iterator[Line]:
    yield _line(thing, "public IPv4 address", prices.hour("public-ipv4"))


def _key(thing: Thing, prices: Prices) -> Iterator[Line]:
    yield _line(thing, "KMS key", prices.month("kms-key"))


def _workers(thing: Thing, prices: Prices) -> Iterator[Line]:
    scaling: Mapping[str, Any] = thing.inputs.get("scalingConfig") or {}
    count = int(scaling.get("desiredSize") or 1)
    kinds = [str(kind) for kind in thing.inputs.get("instanceTypes") or ["t3.medium"]]
    # Of several types any may come: the dearest is what it can cost.
    known = [prices.instance(kind) for kind in kinds]
    price = None if None in known else max(price for price in known if price is not None)
    spot = thing.inputs.get("capacityType") == "SPOT"
    detail = f"{count} x {' or '.join(kinds)}{', spot: at most' if spot else ''}"
    yield _line(thing, "workers", _times(count, price), detail)
    size = int(thing.inputs.get("diskSize") or DEFAULT_DISK_GB)
    disks = _times(count * size, prices.month("ebs-gp3"))
    yield _line(thing, "workers' disks", disks, f"{count} x {size} GB gp3")


def _instance(thing: Thing, prices: Prices) -> Iterator[Line]:
    kind = str(thing.inputs.get("instanceType", ""))
    yield _line(thing, "Rancher server", prices.instance(kind), kind)
    size = int((thing.inputs.get("rootBlockDevice") or {}).get("volumeSize") or 0)
    if size:
        price = _times(size, prices.month("ebs-gp3"))
        yield _line(thing, "Rancher server's disk", price, f"{size} GB gp3")


def _database(thing: Thing, prices: Prices) -> Iterator[Line]:
    kind, two = str(thing.inputs.get("instanceClass", "")), bool(thing.inputs.get("multiAz"))
    detail = f"{kind}, {'2 zones' if two else '1 zone'}"
    yield _line(thing, "RDS instance", prices.database(kind, two_zones=two), detail)
    zones, size = 2 if two else 1, int(thing.inputs.get("allocatedStorage") or 0)
    price = _times(zones * size, prices.month("rds-gp3"))
    yield _line(thing, "RDS storage", price, f"{zones} x {size} GB gp3")


def _release(thing: Thing, prices: Prices) -> Iterator[Line]:
    """What a chart makes that AWS bills: volumes and load balancers. Pods run on workers."""
    values = thing.inputs.get("values")
    postgres, ui = _part(values, "postgres"), _part(values, "ui")
    if postgres is None or ui is None:
        # A secret among them, or not a chart of ours.
        yield _line(thing, "what the chart's values ask for", None)
        return
    if postgres.get("enabled"):
        text = str((_part(postgres, "storage") or {}).get("size", ""))
        size = re.fullmatch(r"(\d+)Gi", text)
        price = _times(int(size[1]), prices.month("ebs-gp3")) if size else None
        yield _line(thing, "database's volume", price, f"{text.replace('Gi', ' GB')} gp3")
    if ui.get("serviceType") == "LoadBalancer":
        yield _line(thing, "UI's load balancer", prices.hour("elb-classic"))


def _part(values: Any, name: str) -> Mapping[str, Any] | None:
    """A part of a chart's values: empty if it is not there, None if it cannot be read."""
    part = values.get(name, {}) if isinstance(values, Mapping) else None
    return part if isinstance(part, Mapping) else None


def _by_use(thing: Thing, prices: Prices, what: str, key: str, unit: str) -> Iterator[Line]:
    price = prices.use(key)
    told = f"no price per {unit}" if price is None else f"{price:g} USD per {unit}"
    yield Line(what, thing.name, None, by_use=told, created=thing.created)


PRICED: Mapping[str, Pricer] = {
    "aws:ec2/eip:Eip": _address,
    "aws:ec2/instance:Instance": _instance,
    "aws:ec2/natGateway:NatGateway": _gateway,
    "aws:eks/cluster:Cluster": _cluster,
    "aws:eks/nodeGroup:NodeGroup": _workers,
    "aws:kms/key:Key": _key,
    "aws:rds/instance:Instance": _database,
    RELEASE: _release,
}

BY_USE: Mapping[str, tuple[str, str, str]] = {
    "aws:cloudwatch/logGroup:LogGroup": ("control plane's logs", "logs", "GB"),
    "aws:ecr/repository:Repository": ("images", "ecr", "GB-month"),
    "aws:s3/bucket:Bucket": ("task logs", "s3", "GB-month"),
}
"""By type: what it is, its key in the table, its unit."""

FREE = frozenset(
    {
        "aws:ec2/eipAssociation:EipAssociation",
        "aws:ec2/internetGateway:InternetGateway",
        "aws:ec2/route:Route",
        "aws:ec2/routeTable:RouteTable",
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "aws:ec2/securityGroup:SecurityGroup",
        "aws:ec2/securityGroupRule:SecurityGroupRule",
        "aws:ec2/subnet:Subnet",
        "aws:ec2/vpc:Vpc",
        # Of type Gateway, as for S3; those of type Interface are not the program's.
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        "aws:eks/accessEntry:AccessEntry",
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        "aws:eks/addon:Addon",
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        "aws:iam/accessKey:AccessKey",
        "aws:iam/group:Group",
        "aws:iam/groupPolicy:GroupPolicy",
        "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
        "aws:iam/instanceProfile:InstanceProfile",
        "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
        "aws:iam/policy:Policy",
        "aws:iam/role:Role",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "aws:iam/user:User",
        "aws:iam/userGroupMembership:UserGroupMembership",
        "aws:rds/subnetGroup:SubnetGroup",
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "aws:s3/bucketPolicy:BucketPolicy",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:s3/bucketVersioning:BucketVersioning",
        # What it pushes is stored, and billed, in the repository.
        "docker-build:index:Image",
        "kubernetes:core/v1:LimitRange",
        "kubernetes:core/v1:Namespace",
        "kubernetes:core/v1:ResourceQuota",
        "kubernetes:core/v1:Secret",
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        "kubernetes:storage.k8s.io/v1:StorageClass",
    }
)

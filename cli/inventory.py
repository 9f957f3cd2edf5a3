"""What is left of an environment in the cloud: found by tag, not by what a state file says.

The tagging API finds most kinds. Some it shows late or never (IAM; and the emulator's knows
no EC2, EKS, RDS or log groups), so those are asked for one by one. An empty answer ends
`down`; anything else is named with the command that shows it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

TAG = "aerodrome:environment"

Client = Callable[[str], Any]
"""Makes a boto3 client of a service."""


@dataclass(frozen=True)
class Leftover:
    """Something in the cloud that carries the environment's tag."""

    arn: str
    kind: str
    show: str
    """The command that shows it."""

    def data(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True)
class Ec2Kind:
    """How one kind of EC2 resource is listed."""

    kind: str
    operation: str
    result: str
    identifier: str
    option: str
    """The option of `aws ec2 describe-...` that takes the identifier."""

    ended: tuple[str, ...] = ()
    """States in which EC2 still lists it though it is gone, and no longer paid for."""


EC2_KINDS = (
    Ec2Kind("vpc", "describe_vpcs", "Vpcs", "VpcId", "--vpc-ids"),
    Ec2Kind("subnet", "describe_subnets", "Subnets", "SubnetId", "--subnet-ids"),
    Ec2Kind(
        "internet-gateway",
        "describe_internet_gateways",
        "InternetGateways",
        "InternetGatewayId",
        "--internet-gateway-ids",
    ),
    Ec2Kind(
        "natgateway",
        "describe_nat_gateways",
        "NatGateways",
        "NatGatewayId",
        "--nat-gateway-ids",
        ("deleted",),
    ),
    Ec2Kind(
        "route-table", "describe_route_tables", "RouteTables", "RouteTableId", "--route-table-ids"
    ),
    Ec2Kind(
        "security-group", "describe_security_groups", "SecurityGroups", "GroupId", "--group-ids"
    ),
    Ec2Kind("elastic-ip", "describe_addresses", "Addresses", "AllocationId", "--allocation-ids"),
    Ec2Kind("volume", "describe_volumes", "Volumes", "VolumeId", "--volume-ids"),
    Ec2Kind(
        "network-interface",
        "describe_network_interfaces",
        "NetworkInterfaces",
        "NetworkInterfaceId",
        "--network-interface-ids",
    ),
    Ec2Kind(
        "vpc-endpoint",
        "describe_vpc_endpoints",
        "VpcEndpoints",
        "VpcEndpointId",
        "--vpc-endpoint-ids",
        ("deleted",),
    ),
)


def inventory(client: Client, environment: str) -> list[Leftover]:
    """Everything that carries the tag of `environment`, sorted by ARN."""
    found: dict[str, Leftover] = {}
    for search in (_ec2, _instances, _iam, _eks, _log_groups, _databases, _tagged):
        for leftover in search(client, environment):
            found.setdefault(leftover.arn, leftover)
    return sorted(found.values(), key=lambda leftover: leftover.arn)


def _tagged(client: Client, environment: str) -> Iterator[Leftover]:
    """Everything that the tagging API knows."""
    pages = (
        client("resourcegroupstaggingapi")
        .get_paginator("get_resources")
        .paginate(TagFilters=[{"Key": TAG, "Values": [environment]}])
    )
    for page in pages:
        for item in page["ResourceTagMappingList"]:
            arn = str(item["ResourceARN"])
            if arn.split(":")[2] == "ec2":
                # EC2 is asked itself: this API names for hours what is gone.
                continue
            if arn.split(":")[2] == "kms" and _key_is_going(client, arn):
                continue
            yield Leftover(arn, _kind(arn), _show(arn))


def _kind(arn: str) -> str:
    """Like "iam role" or "s3"."""
    service, rest = arn.split(":")[2], arn.split(":", 5)[5]
    kind = rest.replace(":", "/").split("/")[0] if "/" in rest or ":" in rest else ""
    return f"{service} {kind}".strip()


def _show(arn: str) -> str:
    """The command that shows what an ARN names; by tag where there is no better one."""
    service, rest = arn.split(":")[2], arn.split(":", 5)[5]
    kind, _, name = rest.partition("/")
    match service, kind:
        case "s3", _:
            return f"aws s3api list-object-versions --bucket {rest}"
        case "kms", "key":
            return f"aws kms describe-key --key-id {name}"
        case "ecr", "repository":
            return f"aws ecr describe-images --repository-name {name}"
        case _:
            return f"aws resourcegroupstaggingapi get-resources --resource-arn-list {arn}"


def _key_is_going(client: Client, arn: str) -> bool:
    """A KMS key cannot be deleted at once: scheduled is as gone as it gets, and free."""
    state = client("kms").describe_key(KeyId=arn)["KeyMetadata"]["KeyState"]
    return str(state) in ("PendingDeletion", "PendingReplicaDeletion")


def _has_tag(tags: list[Mapping[str, str]] | None, environment: str) -> bool:
    return any(tag["Key"] == TAG and tag["Value"] == environment for tag in tags or [])


def _ec2(client: Client, environment: str) -> Iterator[Leftover]:
    ec2 = client("ec2")
    filters = [{"Name": f"tag:{TAG}", "Values": [environment]}]
    for kind in EC2_KINDS:
        for item in _all(ec2, kind.operation, kind.result, Filters=filters):
            if not _has_tag(item.get("Tags"), environment) or item.get("State") in kind.ended:
                continue
            name = str(item[kind.identifier])
            command = kind.operation.replace("_", "-")
            yield Leftover(
                f"arn:aws:ec2:::{kind.kind}/{name}",
                f"ec2 {kind.kind}",
                f"aws ec2 {command} {kind.option} {name}",
            )


def _all(client: Any, operation: str, result: str, **arguments: Any) -> Iterator[Any]:
    """The items of all pages, or of the one answer of an operation without pages."""
    if client.can_paginate(operation):
        for page in client.get_paginator(operation).paginate(**arguments):
            yield from page[result]
    else:
        yield from getattr(client, operation)(**arguments)[result]


def _instances(client: Client, environment: str) -> Iterator[Leftover]:
    filters = [{"Name": f"tag:{TAG}", "Values": [environment]}]
    for reservation in _all(client("ec2"), "describe_instances", "Reservations", Filters=filters):
        for item in reservation["Instances"]:
            gone = item["State"]["Name"] == "terminated"
            if gone or not _has_tag(item.get("Tags"), environment):
                continue
            name = item["InstanceId"]
            yield Leftover(
                f"arn:aws:ec2:::instance/{name}",
                "ec2 instance",
                f"aws ec2 describe-instances --instance-ids {name}",
            )


@dataclass(frozen=True)
class IamKind:
    """How one kind of IAM resource is listed, and its tags read."""

    kind: str
    identifier: str
    """The field, and the argument of the call that reads its tags."""

    arguments: Mapping[str, str] = field(default_factory=dict)


IAM_KINDS = (
    IamKind("user", "UserName"),
    IamKind("role", "RoleName"),
    IamKind("policy", "Arn", {"Scope": "Local"}),
    IamKind("instance_profile", "InstanceProfileName"),
)


def _iam(client: Client, environment: str) -> Iterator[Leftover]:
    iam = client("iam")
    for kind in IAM_KINDS:
        plural = "policies" if kind.kind == "policy" else f"{kind.kind}s"
        result = "".join(word.capitalize() for word in plural.split("_"))
        tags = getattr(iam, f"list_{kind.kind}_tags")
        for item in _all(iam, f"list_{plural}", result, **kind.arguments):
            if str(item.get("Path", "")).startswith("/aws-service-role/"):
                continue
            name = item[kind.identifier]
            argument = "PolicyArn" if kind.kind == "policy" else kind.identifier
            if _has_tag(tags(**{argument: name})["Tags"], environment):
                words = kind.kind.replace("_", "-")
                option = "--policy-arn" if kind.kind == "policy" else f"--{words}-name"
                yield Leftover(item["Arn"], f"iam {words}", f"aws iam get-{words} {option} {name}")


def _eks(client: Client, environment: str) -> Iterator[Leftover]:
    eks = client("eks")
    for name in _all(eks, "list_clusters", "clusters"):
        cluster = eks.describe_cluster(name=name)["cluster"]
        if cluster.get("tags", {}).get(TAG) == environment:
            yield Leftover(cluster["arn"], "eks cluster", f"aws eks describe-cluster --name {name}")


def _log_groups(client: Client, environment: str) -> Iterator[Leftover]:
    logs = client("logs")
    for group in _all(logs, "describe_log_groups", "logGroups"):
        name = str(group["logGroupName"])
        arn = str(group.get("logGroupArn") or group["arn"]).removesuffix(":*")
        if logs.list_tags_for_resource(resourceArn=arn)["tags"].get(TAG) == environment:
            yield Leftover(
                arn,
                "logs log-group",
                f"aws logs describe-log-groups --log-group-name-prefix {name}",
            )


def _databases(client: Client, environment: str) -> Iterator[Leftover]:
    for item in _all(client("rds"), "describe_db_instances", "DBInstances"):
        if _has_tag(item.get("TagList"), environment):
            name = item["DBInstanceIdentifier"]
            yield Leftover(
                item["DBInstanceArn"],
                "rds db",
                f"aws rds describe-db-instances --db-instance-identifier {name}",
            )

"""EC2: networks, machines and disks, found by tag. How they go is in `ec2_deletion`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.cloud.ownership import NODE_KEY
from cli.cloud.resource import Resource, Search, everything, moment, pairs

SERVICE = "ec2"


@dataclass(frozen=True)
class Kind:
    """How one kind of EC2 resource is listed."""

    name: str
    operation: str
    result: str
    identifier: str
    option: str
    """The option of `aws ec2 describe-...` that takes the identifier."""

    ended: tuple[str, ...] = ()
    """States in which EC2 still lists it though it is gone, and no longer paid for."""

    created: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    kept: Callable[[Mapping[str, Any]], bool] = lambda item: False
    """What goes with something else, and cannot go alone."""


def _goes_with_another(interface: Mapping[str, Any]) -> bool:
    """A service's own interface (NAT gateway, load balancer, database, control plane), or an instance's."""
    if interface.get("Status") == "available":
        return False
    attachment = interface.get("Attachment") or {}
    return bool(interface.get("RequesterManaged") or attachment.get("DeleteOnTermination"))


def _is_main(table: Mapping[str, Any]) -> bool:
    return any(link.get("Main") for link in table.get("Associations", ()))


KINDS = (
    Kind(
        "vpc",
        "describe_vpcs",
        "Vpcs",
        "VpcId",
        "--vpc-ids",
        kept=lambda item: bool(item.get("IsDefault")),
    ),
    Kind("subnet", "describe_subnets", "Subnets", "SubnetId", "--subnet-ids"),
    Kind(
        "internet-gateway",
        "describe_internet_gateways",
        "InternetGateways",
        "InternetGatewayId",
        "--internet-gateway-ids",
    ),
    Kind(
        "natgateway",
        "describe_nat_gateways",
        "NatGateways",
        "NatGatewayId",
        "--nat-gateway-ids",
        ended=("deleted",),
        created="CreateTime",
    ),
    Kind(
        "route-table",
        "describe_route_tables",
        "RouteTables",
        "RouteTableId",
        "--route-table-ids",
        kept=_is_main,
    ),
    Kind(
        "security-group",
        "describe_security_groups",
        "SecurityGroups",
        "GroupId",
        "--group-ids",
        kept=lambda item: item.get("GroupName") == "default",
    ),
    Kind("elastic-ip", "describe_addresses", "Addresses", "AllocationId", "--allocation-ids"),
    Kind(
        "volume",
        "describe_volumes",
        "Volumes",
        "VolumeId",
        "--volume-ids",
        ended=("deleted",),
        created="CreateTime",
    ),
    Kind(
        "snapshot",
        "describe_snapshots",
        "Snapshots",
        "SnapshotId",
        "--snapshot-ids",
        created="StartTime",
        arguments={"OwnerIds": ["self"]},
    ),
    Kind(
        "network-interface",
        "describe_network_interfaces",
        "NetworkInterfaces",
        "NetworkInterfaceId",
        "--network-interface-ids",
        kept=_goes_with_another,
    ),
    Kind(
        "vpc-endpoint",
        "describe_vpc_endpoints",
        "VpcEndpoints",
        "VpcEndpointId",
        "--vpc-endpoint-ids",
        ended=("deleted",),
        created="CreationTimestamp",
    ),
    Kind(
        "launch-template",
        "describe_launch_templates",
        "LaunchTemplates",
        "LaunchTemplateId",
        "--launch-template-ids",
        created="CreateTime",
    ),
    Kind("key-pair", "describe_key_pairs", "KeyPairs", "KeyPairId", "--key-pair-ids"),
)

FACTS = (
    "Size",
    "VolumeType",
    "Iops",
    "Throughput",
    "InstanceType",
    "InstanceLifecycle",
    "VpcId",
    "AllocationId",
    "Attachments",
    "Attachment",
    "RequesterManaged",
    "VpcEndpointType",
)
"""What a price or a deletion goes by."""


def find(search: Search) -> Iterator[Resource]:
    ec2 = search.client(SERVICE)
    networks: dict[str, str] = {}
    for kind in KINDS:
        for item in everything(ec2, kind.operation, kind.result, **kind.arguments):
            found = _resource(search, kind, item, networks)
            if found is None:
                continue
            if kind.name == "vpc":
                networks[found.id] = found.environment
            yield found
    yield from _instances(search)


def _resource(
    search: Search, kind: Kind, item: Mapping[str, Any], networks: Mapping[str, str]
) -> Resource | None:
    state = str(item.get("State") or item.get("Status") or "").lower()
    if state in kind.ended or kind.kept(item):
        return None
    tags = pairs(item.get("Tags") or item.get("TagSet"))
    # Older versions of the VPC CNI name the node only; the network then says whose it is.
    near = networks.get(str(item.get("VpcId")), "") if NODE_KEY in tags else ""
    environment = search.whose(tags, *([near] if near else []))
    if environment is None:
        return None
    name = str(item[kind.identifier])
    command = kind.operation.replace("_", "-")
    return Resource(
        service=SERVICE,
        kind=kind.name,
        id=name,
        arn=search.arn(SERVICE, f"{kind.name}/{name}"),
        environment=environment,
        show=search.command(f"ec2 {command} {kind.option} {name}"),
        tags=tags,
        created=moment(item.get(kind.created)) if kind.created else "",
        facts=_facts(item) | {"ending": state in ("deleting", "pending-delete")},
    )


def _instances(search: Search) -> Iterator[Resource]:
    for reservation in everything(search.client(SERVICE), "describe_instances", "Reservations"):
        for item in reservation["Instances"]:
            tags, state = pairs(item.get("Tags")), item["State"]["Name"]
            environment = search.whose(tags)
            if environment is None or state == "terminated":
                continue
            name = item["InstanceId"]
            yield Resource(
                service=SERVICE,
                kind="instance",
                id=name,
                arn=search.arn(SERVICE, f"instance/{name}"),
                environment=environment,
                show=search.command(f"ec2 describe-instances --instance-ids {name}"),
                tags=tags,
                created=moment(item.get("LaunchTime")),
                facts=_facts(item) | {"state": state, "ending": state == "shutting-down"},
            )


def _facts(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in FACTS if item.get(name)}

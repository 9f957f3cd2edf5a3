"""EC2: networks, machines and disks, found by tag.

What would keep one is taken off before it is deleted: attachments, rules, associations. Rules that
name a security group are taken out of groups of the same environment only. A group of another one
that names ours is somebody's decision: ours stays then, and the refusal says why.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from botocore import xform_name

from cli.cloud.catalogue.kind import (
    HOUR,
    MONTH,
    Asked,
    Charge,
    Deleter,
    Facts,
    Item,
    Kind,
    Pricer,
    Recovery,
    Undecidable,
    by_use,
    call,
    free,
    hourly,
    repeat,
)
from cli.cloud.errors import gone_is_fine
from cli.cloud.ownership import NODE_KEY, POOL_TAG
from cli.cloud.resource import Resource, Search, everything, pairs

SERVICE = "ec2"
ENDED = ("deleted", "terminated")
"""States in which EC2 still lists what is gone, and no longer paid for."""

ENDING = ("deleting", "pending-delete", "shutting-down")


def _kind(  # noqa: PLR0913 - what differs between EC2's kinds
    name: str,
    noun: str,
    type_: str = "",
    *,
    arn: str | None = None,
    plural: str = "",
    result: str = "",
    identifier: str = "",
    created: str = "CreateTime",
    arguments: Mapping[str, Any] | None = None,
    kept: Callable[[Mapping[str, Any]], bool] = lambda item: False,
    near: Callable[[Search, Mapping[str, Any]], str] = lambda search, item: "",
    facts: Mapping[str, str] | None = None,
    delete: Deleter | None = None,
    price: Pricer = free,
    waiter: str = "",
) -> Kind:
    """A row. EC2's words follow from one noun: RouteTable, RouteTableId, DescribeRouteTables."""
    plural, identifier = plural or f"{noun}s", identifier or f"{noun}Id"
    result, operation = result or plural, f"describe_{xform_name(plural)}"

    def listed(search: Search) -> Iterator[Item]:
        for item in everything(search.client(SERVICE), operation, result, **(arguments or {})):
            if _state(item) in ENDED or kept(item):
                continue
            yield Item(
                str(item[identifier]),
                tags=pairs(item.get("Tags") or item.get("TagSet")),
                near=near(search, item),
                created=item.get(created),
                facts={**item, **{ours: item.get(its) for ours, its in (facts or {}).items()}},
                ending=_state(item) in ENDING,
            )

    return Kind(
        service=SERVICE,
        name=name,
        type=type_,
        arn=arn,
        list=listed,
        actions=(f"{SERVICE}:Describe{plural}",),
        delete=delete or call(SERVICE, f"delete_{xform_name(noun)}", identifier),
        show=f"ec2 {operation.replace('_', '-')} --{xform_name(identifier, '-')}s {{id}}",
        price=price,
        recover=_by_tags(operation, result, identifier) if type_ else None,
        ready=(waiter, lambda id: {f"{identifier}s": [id]}) if waiter else None,
    )


def _state(item: Mapping[str, Any]) -> str:
    state = item.get("State") or item.get("Status") or ""
    return str(state["Name"] if isinstance(state, dict) else state).lower()


def _by_tags(operation: str, result: str, identifier: str) -> Recovery:
    """By all of its tags: each has a `Name` of its own beside those of its environment, from its first moment."""

    def recover(asked: Asked) -> str | None:
        if "Name" not in asked.tags:
            raise Undecidable
        ec2 = asked.client(SERVICE)
        shape = ec2.meta.service_model.operation_model(ec2.meta.method_to_api_mapping[operation])
        # Some kinds name their argument in another way than all others.
        argument = "Filter" if "Filter" in shape.input_shape.members else "Filters"
        filters = [{"Name": f"tag:{key}", "Values": [str(asked.tags[key])]} for key in asked.tags]
        found = everything(ec2, operation, result, **{argument: filters})
        ids = [
            str(item[identifier])
            for item in found
            if _state(item) not in (*ENDED, *ENDING, "failed")
        ]
        return next((each for each in ids if each not in asked.known), None)

    return recover


# -- what cannot go alone, and whose it is -------------------------------------------------


def _goes_with_another(interface: Mapping[str, Any]) -> bool:
    """A service's own interface (NAT gateway, load balancer, database, control plane), or an instance's."""
    if interface.get("Status") == "available":
        return False
    attachment = interface.get("Attachment") or {}
    return bool(interface.get("RequesterManaged") or attachment.get("DeleteOnTermination"))


def _by_network(search: Search, interface: Mapping[str, Any]) -> str:
    """Older versions of the VPC CNI name the node only; the network then says whose it is."""
    if NODE_KEY not in pairs(interface.get("TagSet")):
        return ""
    networks = search.once(
        "networks", lambda: list(everything(search.client(SERVICE), "describe_vpcs", "Vpcs"))
    )
    tags = [pairs(each.get("Tags")) for each in networks if each["VpcId"] == interface.get("VpcId")]
    return (search.whose(tags[0]) or "") if tags else ""


def _is_main(table: Mapping[str, Any]) -> bool:
    return any(link.get("Main") for link in table.get("Associations", ()))


# -- how they go ---------------------------------------------------------------------------


def _delete_instance(search: Search, resource: Resource) -> None:
    ec2, named = search.client(SERVICE), {"InstanceId": resource.id}
    if resource.ending:
        return
    protected = ec2.describe_instance_attribute(**named, Attribute="disableApiTermination")
    if protected.get("DisableApiTermination", {}).get("Value"):
        ec2.modify_instance_attribute(**named, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[resource.id])


def _delete_volume(search: Search, resource: Resource) -> None:
    if resource.facts.get("Attachments"):
        search.client(SERVICE).detach_volume(VolumeId=resource.id, Force=True)
    search.client(SERVICE).delete_volume(VolumeId=resource.id)


def _delete_interface(search: Search, resource: Resource) -> None:
    ec2 = search.client(SERVICE)
    attachment = resource.facts.get("Attachment") or {}
    if attachment.get("AttachmentId") and attachment.get("Status") != "detached":
        with gone_is_fine():
            ec2.detach_network_interface(AttachmentId=attachment["AttachmentId"], Force=True)
    ec2.delete_network_interface(NetworkInterfaceId=resource.id)


def _delete_security_group(search: Search, resource: Resource) -> None:
    ec2 = search.client(SERVICE)
    _revoke(ec2, resource.id)
    for name in ("ip-permission.group-id", "egress.ip-permission.group-id"):
        filters = [{"Name": name, "Values": [resource.id]}]
        for group in everything(ec2, "describe_security_groups", "SecurityGroups", Filters=filters):
            if search.whose(pairs(group.get("Tags"))) == resource.environment:
                _revoke(ec2, group["GroupId"], naming=resource.id)
    ec2.delete_security_group(GroupId=resource.id)


def _revoke(ec2: Any, group: str, naming: str = "") -> None:
    """Takes rules out of a group, each by its own identifier: all, or those that name another group."""
    filters = [{"Name": "group-id", "Values": [group]}]
    rules = [
        rule
        for rule in everything(
            ec2, "describe_security_group_rules", "SecurityGroupRules", Filters=filters
        )
        if not naming or rule.get("ReferencedGroupInfo", {}).get("GroupId") == naming
    ]
    for egress, operation in ((False, "ingress"), (True, "egress")):
        doomed = {rule["SecurityGroupRuleId"] for rule in rules if rule["IsEgress"] == egress}
        if doomed:
            with gone_is_fine():
                getattr(ec2, f"revoke_security_group_{operation}")(
                    GroupId=group, SecurityGroupRuleIds=sorted(doomed)
                )


def _release_address(search: Search, resource: Resource) -> None:
    ec2, facts = search.client(SERVICE), resource.facts
    if facts.get("AssociationId") and facts.get("InstanceId"):
        with gone_is_fine():
            ec2.disassociate_address(AssociationId=facts["AssociationId"])
    ec2.release_address(AllocationId=resource.id)


def _delete_internet_gateway(search: Search, resource: Resource) -> None:
    ec2, named = search.client(SERVICE), {"InternetGatewayId": resource.id}
    for attachment in resource.facts.get("Attachments", ()):
        with gone_is_fine():
            ec2.detach_internet_gateway(**named, VpcId=attachment["VpcId"])
    ec2.delete_internet_gateway(**named)


def _delete_route_table(search: Search, resource: Resource) -> None:
    ec2 = search.client(SERVICE)
    for link in resource.facts.get("Associations", ()):
        if not link.get("Main"):
            with gone_is_fine():
                ec2.disassociate_route_table(AssociationId=link["RouteTableAssociationId"])
    ec2.delete_route_table(RouteTableId=resource.id)


# -- what they cost ------------------------------------------------------------------------


def disk(what: str, gigabytes: float, detail: str = "") -> Charge:
    """A volume of the type that the kit makes."""
    return Charge(what, ("ebs-gp3",), gigabytes, MONTH, detail or f"{gigabytes:g} GB gp3")


def _instance_price(facts: Facts) -> Iterable[Charge]:
    if _state(facts) == "stopped":
        return
    kind = str(facts.get("instanceType", ""))
    if POOL_TAG in pairs(facts.get("Tags")):
        yield Charge("node for tasks", (kind,), detail=kind)
        return
    yield Charge("Rancher server", (kind,), detail=kind)
    if size := int((facts.get("rootBlockDevice") or {}).get("volumeSize") or 0):
        yield disk("Rancher server's disk", size)


def _volume_price(facts: Facts) -> Iterable[Charge]:
    size, ours = facts.get("size"), (facts.get("type") or "gp3") == "gp3"
    yield disk("volume", int(size)) if size and ours else Charge("volume", ())


def _endpoint_price(facts: Facts) -> Iterable[Charge]:
    service = str(facts.get("serviceName") or "").split(".", 3)[-1]
    what = f"VPC endpoint {service}".strip()
    if (facts.get("vpcEndpointType") or "Gateway") == "Gateway":
        # S3's and DynamoDB's, which cost nothing.
        yield Charge(f"{what}, data", (), per="GB", instead="nat-data")
        return
    zones = len(facts.get("subnetIds") or ())
    yield Charge(
        what,
        ("vpc-endpoint",) if zones else (),
        zones or 1,
        detail=f"{zones} zones" if zones > 1 else "",
        pays=("vpc-endpoint-data", "nat-data"),
    )
    yield Charge(f"{what}, data", ("vpc-endpoint-data",), per="GB", instead="nat-data")


def _gateway_price(facts: Facts) -> Iterable[Charge]:
    yield Charge("NAT gateway", ("nat-gateway",), per=HOUR)
    yield Charge("NAT gateway, data", ("nat-data",), per="GB")


# -- parts that have no tags: found again by what they are attached to ---------------------

_DESTINATIONS = {
    "destinationCidrBlock": "DestinationCidrBlock",
    "destinationIpv6CidrBlock": "DestinationIpv6CidrBlock",
    "destinationPrefixListId": "DestinationPrefixListId",
}


def _route(asked: Asked) -> str | None:
    table = asked.inputs["routeTableId"]
    destination = next(str(v) for key in _DESTINATIONS if (v := asked.inputs.get(key)))
    tables = asked.client(SERVICE).describe_route_tables(RouteTableIds=[table])["RouteTables"]
    for route in tables[0]["Routes"] if tables else ():
        if destination in (route.get(key) for key in _DESTINATIONS.values()):
            return f"{table}_{destination}"
    return None


def _route_table_association(asked: Asked) -> str | None:
    table, subnet = asked.inputs["routeTableId"], asked.inputs["subnetId"]
    filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
    found = asked.client(SERVICE).describe_route_tables(Filters=filters)["RouteTables"]
    return f"{subnet}/{table}" if any(one["RouteTableId"] == table for one in found) else None


def _security_group_rule(asked: Asked) -> None:
    """It has no id of its own to import it by: taken out, and made again."""
    inputs, ec2 = asked.inputs, asked.client(SERVICE)
    permission: dict[str, Any] = {"IpProtocol": str(inputs["protocol"])}
    if permission["IpProtocol"] != "-1":
        permission |= {"FromPort": int(inputs["fromPort"]), "ToPort": int(inputs["toPort"])}
    group = inputs["securityGroupId"]
    if other := group if inputs.get("self") else inputs.get("sourceSecurityGroupId"):
        permission["UserIdGroupPairs"] = [{"GroupId": other}]
    if inputs.get("cidrBlocks"):
        permission["IpRanges"] = [{"CidrIp": block} for block in inputs["cidrBlocks"]]
    way = "egress" if inputs["type"] == "egress" else "ingress"
    with gone_is_fine():
        getattr(ec2, f"revoke_security_group_{way}")(GroupId=group, IpPermissions=[permission])


KINDS = (
    _kind(
        "instance",
        "Instance",
        "aws:ec2/instance:Instance",
        result="Reservations.Instances",
        created="LaunchTime",
        facts={"instanceType": "InstanceType"},
        delete=_delete_instance,
        price=_instance_price,
        waiter="instance_running",
    ),
    _kind(
        "natgateway",
        "NatGateway",
        "aws:ec2/natGateway:NatGateway",
        price=_gateway_price,
        waiter="nat_gateway_available",
    ),
    _kind(
        "flow-log",
        "FlowLog",
        "aws:ec2/flowLog:FlowLog",
        arn="vpc-flow-log",
        created="CreationTime",
        delete=call(SERVICE, "delete_flow_logs", "FlowLogIds"),
        price=by_use("VPC flow logs", "flow-logs", "GB"),
    ),
    _kind(
        "vpc-endpoint",
        "VpcEndpoint",
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        created="CreationTimestamp",
        facts={
            "vpcEndpointType": "VpcEndpointType",
            "serviceName": "ServiceName",
            "subnetIds": "SubnetIds",
        },
        delete=call(SERVICE, "delete_vpc_endpoints", "VpcEndpointIds"),
        price=_endpoint_price,
    ),
    _kind(
        "network-interface",
        "NetworkInterface",
        kept=_goes_with_another,
        near=_by_network,
        delete=_delete_interface,
    ),
    _kind(
        "volume",
        "Volume",
        facts={"size": "Size", "type": "VolumeType"},
        delete=_delete_volume,
        price=_volume_price,
    ),
    _kind(
        "snapshot",
        "Snapshot",
        created="StartTime",
        arguments={"OwnerIds": ["self"]},
        price=lambda facts: [Charge("snapshots", ("ebs-snapshot",), per="GB-month")],
    ),
    _kind(
        "elastic-ip",
        "Address",
        "aws:ec2/eip:Eip",
        plural="Addresses",
        identifier="AllocationId",
        delete=_release_address,
        price=hourly("public IPv4 address", "public-ipv4"),
    ),
    _kind(
        "security-group",
        "SecurityGroup",
        "aws:ec2/securityGroup:SecurityGroup",
        identifier="GroupId",
        kept=lambda item: item.get("GroupName") == "default",
        delete=_delete_security_group,
    ),
    _kind("launch-template", "LaunchTemplate"),
    _kind("key-pair", "KeyPair"),
    _kind(
        "internet-gateway",
        "InternetGateway",
        "aws:ec2/internetGateway:InternetGateway",
        delete=_delete_internet_gateway,
    ),
    _kind("subnet", "Subnet", "aws:ec2/subnet:Subnet"),
    _kind(
        "route-table",
        "RouteTable",
        "aws:ec2/routeTable:RouteTable",
        kept=_is_main,
        delete=_delete_route_table,
    ),
    _kind("vpc", "Vpc", "aws:ec2/vpc:Vpc", kept=lambda item: bool(item.get("IsDefault"))),
    Kind(type="aws:ec2/eipAssociation:EipAssociation", recover=repeat),
    Kind(type="aws:ec2/route:Route", recover=_route),
    Kind(
        type="aws:ec2/routeTableAssociation:RouteTableAssociation",
        recover=_route_table_association,
    ),
    Kind(type="aws:ec2/securityGroupRule:SecurityGroupRule", recover=_security_group_rule),
    # It goes with its group.
    Kind(service=SERVICE, name="security-group-rule"),
)

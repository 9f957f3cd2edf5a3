"""How each kind of EC2 resource goes, with what would keep it: attachments, rules, associations.

Rules that name a security group are taken out of groups of the same environment only. A group
of another one that names ours is somebody's decision: ours stays then, and the refusal says why.
"""

from collections.abc import Callable, Mapping
from typing import Any

from cli.cloud.errors import gone_is_fine
from cli.cloud.resource import Resource, Search, everything, pairs


def delete(search: Search, resource: Resource) -> None:
    HOW[resource.kind](search, resource)


def _call(operation: str, argument: str) -> Callable[[Search, Resource], None]:
    def work(search: Search, resource: Resource) -> None:
        getattr(search.client("ec2"), operation)(**{argument: resource.id})

    return work


def _instance(search: Search, resource: Resource) -> None:
    ec2 = search.client("ec2")
    if resource.ending:
        return
    protected = ec2.describe_instance_attribute(
        InstanceId=resource.id, Attribute="disableApiTermination"
    )
    if protected.get("DisableApiTermination", {}).get("Value"):
        ec2.modify_instance_attribute(
            InstanceId=resource.id, DisableApiTermination={"Value": False}
        )
    ec2.terminate_instances(InstanceIds=[resource.id])


def _volume(search: Search, resource: Resource) -> None:
    ec2 = search.client("ec2")
    if resource.facts.get("Attachments"):
        ec2.detach_volume(VolumeId=resource.id, Force=True)
    ec2.delete_volume(VolumeId=resource.id)


def _interface(search: Search, resource: Resource) -> None:
    ec2 = search.client("ec2")
    attachment = resource.facts.get("Attachment") or {}
    if attachment.get("AttachmentId") and attachment.get("Status") != "detached":
        with gone_is_fine():
            ec2.detach_network_interface(AttachmentId=attachment["AttachmentId"], Force=True)
    ec2.delete_network_interface(NetworkInterfaceId=resource.id)


def _security_group(search: Search, resource: Resource) -> None:
    ec2 = search.client("ec2")
    _revoke(ec2, resource.id, lambda rule: True)
    for name in ("ip-permission.group-id", "egress.ip-permission.group-id"):
        filters = [{"Name": name, "Values": [resource.id]}]
        for group in everything(ec2, "describe_security_groups", "SecurityGroups", Filters=filters):
            if search.whose(pairs(group.get("Tags"))) == resource.environment:
                _revoke(ec2, group["GroupId"], lambda rule: _names(rule, resource.id))
    ec2.delete_security_group(GroupId=resource.id)


def _names(rule: Mapping[str, Any], group: str) -> bool:
    return bool(rule.get("ReferencedGroupInfo", {}).get("GroupId") == group)


def _revoke(ec2: Any, group: str, wanted: Callable[[Mapping[str, Any]], bool]) -> None:
    """Takes rules out of a group, each by its own identifier."""
    filters = [{"Name": "group-id", "Values": [group]}]
    rules = [
        rule
        for rule in everything(
            ec2, "describe_security_group_rules", "SecurityGroupRules", Filters=filters
        )
        if wanted(rule)
    ]
    for egress, operation in ((False, "ingress"), (True, "egress")):
        doomed = {rule["SecurityGroupRuleId"] for rule in rules if rule["IsEgress"] == egress}
        if doomed:
            with gone_is_fine():
                getattr(ec2, f"revoke_security_group_{operation}")(
                    GroupId=group, SecurityGroupRuleIds=sorted(doomed)
                )


def _address(search: Search, resource: Resource) -> None:
    ec2 = search.client("ec2")
    for address in ec2.describe_addresses(AllocationIds=[resource.id])["Addresses"]:
        if address.get("AssociationId") and address.get("InstanceId"):
            with gone_is_fine():
                ec2.disassociate_address(AssociationId=address["AssociationId"])
    ec2.release_address(AllocationId=resource.id)


def _nat_gateway(search: Search, resource: Resource) -> None:
    if not resource.ending:
        search.client("ec2").delete_nat_gateway(NatGatewayId=resource.id)


def _endpoint(search: Search, resource: Resource) -> None:
    if not resource.ending:
        search.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[resource.id])


def _internet_gateway(search: Search, resource: Resource) -> None:
    ec2 = search.client("ec2")
    found = ec2.describe_internet_gateways(InternetGatewayIds=[resource.id])
    for gateway in found["InternetGateways"]:
        for attachment in gateway.get("Attachments", ()):
            ec2.detach_internet_gateway(InternetGatewayId=resource.id, VpcId=attachment["VpcId"])
    ec2.delete_internet_gateway(InternetGatewayId=resource.id)


def _route_table(search: Search, resource: Resource) -> None:
    ec2 = search.client("ec2")
    for table in ec2.describe_route_tables(RouteTableIds=[resource.id])["RouteTables"]:
        for link in table.get("Associations", ()):
            if not link.get("Main"):
                ec2.disassociate_route_table(AssociationId=link["RouteTableAssociationId"])
    ec2.delete_route_table(RouteTableId=resource.id)


HOW: Mapping[str, Callable[[Search, Resource], None]] = {
    "elastic-ip": _address,
    "instance": _instance,
    "internet-gateway": _internet_gateway,
    "key-pair": _call("delete_key_pair", "KeyPairId"),
    "launch-template": _call("delete_launch_template", "LaunchTemplateId"),
    "natgateway": _nat_gateway,
    "network-interface": _interface,
    "route-table": _route_table,
    "security-group": _security_group,
    "snapshot": _call("delete_snapshot", "SnapshotId"),
    "subnet": _call("delete_subnet", "SubnetId"),
    "volume": _volume,
    "vpc": _call("delete_vpc", "VpcId"),
    "vpc-endpoint": _endpoint,
}
"""By kind."""

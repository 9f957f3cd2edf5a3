"""The filters of EC2's Describe calls that MiniStack leaves out.

It takes a filter that it does not know for one that everything passes. A sweep that asks for the
network interfaces of one group would then delete those of all. Here such a filter is applied to
the answer, and one that neither of us knows is refused.
"""

import fnmatch
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field

from sandbox.aws.standin import emulator
from sandbox.aws.standin.call import Call
from sandbox.aws.standin.emulator import Answer

TAGS = ("tag-key", "tag-value")


@dataclass(frozen=True)
class Filters:
    """The filters of one Describe call."""

    items: str
    """Where the answer has the things that are filtered."""

    known: str
    """The filters that MiniStack applies."""

    paths: dict[str, str] = field(default_factory=dict)
    """The others: where an item has the value. They are applied here."""

    tags: bool = True
    """Whether MiniStack applies those on tags."""

    def paths_of(self, name: str) -> str | None:
        if name.startswith("tag:") or name in TAGS:
            return None if self.tags else "tagSet/item"
        return self.paths.get(name)

    def knows(self, name: str) -> bool:
        return name in self.known.split() or name.startswith("tag:") or name in TAGS


FILTERS = {
    "DescribeInstances": Filters(
        "reservationSet/item/instancesSet/item",
        "image-id instance-state-name instance-type",
        {
            "availability-zone": "placement/availabilityZone",
            "client-token": "clientToken",
            "iam-instance-profile.arn": "iamInstanceProfile/arn",
            "instance-id": "instanceId",
            "instance.group-id": "groupSet/item/groupId",
            "ip-address": "ipAddress",
            "key-name": "keyName",
            "private-ip-address": "privateIpAddress",
            "subnet-id": "subnetId",
            "vpc-id": "vpcId",
        },
    ),
    "DescribeVpcs": Filters(
        "vpcSet/item", "cidr cidr-block-association.cidr-block is-default owner-id state vpc-id"
    ),
    "DescribeSubnets": Filters(
        "subnetSet/item",
        "availability-zone cidr-block default-for-az subnet-id vpc-id",
        {"state": "state", "map-public-ip-on-launch": "mapPublicIpOnLaunch"},
    ),
    "DescribeSecurityGroups": Filters(
        "securityGroupInfo/item",
        "group-name vpc-id",
        {
            "description": "groupDescription",
            "egress.ip-permission.group-id": "ipPermissionsEgress/item/groups/item/groupId",
            "group-id": "groupId",
            "ip-permission.group-id": "ipPermissions/item/groups/item/groupId",
            "owner-id": "ownerId",
        },
    ),
    "DescribeSecurityGroupRules": Filters(
        "securityGroupRuleSet/item", "group-id security-group-rule-id"
    ),
    "DescribeNetworkInterfaces": Filters(
        "networkInterfaceSet/item",
        "",
        {
            "attachment.attachment-id": "attachment/attachmentId",
            "attachment.instance-id": "attachment/instanceId",
            "attachment.status": "attachment/status",
            "availability-zone": "availabilityZone",
            "description": "description",
            "group-id": "groupSet/item/groupId",
            "interface-type": "interfaceType",
            "network-interface-id": "networkInterfaceId",
            "owner-id": "ownerId",
            "private-ip-address": "privateIpAddress",
            "status": "status",
            "subnet-id": "subnetId",
            "vpc-id": "vpcId",
        },
        tags=False,
    ),
    "DescribeVolumes": Filters(
        "volumeSet/item",
        "attachment.attach-time attachment.delete-on-termination attachment.device "
        "attachment.instance-id attachment.status availability-zone create-time encrypted size "
        "snapshot-id status volume-id volume-type",
    ),
    "DescribeSnapshots": Filters(
        "snapshotSet/item",
        "description encrypted owner-id progress snapshot-id start-time status volume-id "
        "volume-size",
    ),
    "DescribeAddresses": Filters(
        "addressesSet/item",
        "",
        {
            "allocation-id": "allocationId",
            "association-id": "associationId",
            "domain": "domain",
            "instance-id": "instanceId",
            "network-interface-id": "networkInterfaceId",
            "public-ip": "publicIp",
        },
        tags=False,
    ),
    "DescribeNatGateways": Filters(
        "natGatewaySet/item", "state subnet-id vpc-id", {"nat-gateway-id": "natGatewayId"}
    ),
    "DescribeInternetGateways": Filters(
        "internetGatewaySet/item",
        "attachment.state attachment.vpc-id internet-gateway-id owner-id",
    ),
    "DescribeRouteTables": Filters(
        "routeTableSet/item",
        "association.route-table-association-id association.subnet-id vpc-id",
        {
            "association.main": "associationSet/item/main",
            "route-table-id": "routeTableId",
            "route.gateway-id": "routeSet/item/gatewayId",
            "route.nat-gateway-id": "routeSet/item/natGatewayId",
        },
    ),
    "DescribeVpcEndpoints": Filters(
        "vpcEndpointSet/item",
        "",
        {
            "service-name": "serviceName",
            "vpc-endpoint-id": "vpcEndpointId",
            "vpc-endpoint-state": "state",
            "vpc-endpoint-type": "vpcEndpointType",
            "vpc-id": "vpcId",
        },
        tags=False,
    ),
    "DescribeKeyPairs": Filters(
        "keySet/item", "", {"key-name": "keyName", "key-pair-id": "keyPairId"}, tags=False
    ),
    "DescribeLaunchTemplates": Filters("launchTemplates/item", "launch-template-name"),
    "DescribeNetworkAcls": Filters(
        "networkAclSet/item",
        "default vpc-id",
        {
            "association.subnet-id": "associationSet/item/subnetId",
            "network-acl-id": "networkAclId",
        },
    ),
    "DescribeFlowLogs": Filters(
        "flowLogSet/item",
        "resource-id",
        {"flow-log-id": "flowLogId", "log-group-name": "logGroupName"},
    ),
}
"""By call. Calls that are not here narrow their answers as MiniStack does."""


def refusal(call: Call) -> Answer | None:
    """AWS' error for a filter that a call does not have."""
    rules = FILTERS.get(call.action)
    for name in asked(call) if rules else ():
        if rules and not rules.knows(name) and rules.paths_of(name) is None:
            return emulator.ec2_error(
                "InvalidParameterValue",
                f"The filter '{name}' is invalid, or the sandbox's {call.action} does not have it",
            )
    return None


def narrow(call: Call, body: bytes) -> bytes:
    """The answer without what the filters that MiniStack left out keep away."""
    rules = FILTERS.get(call.action)
    if rules is None:
        return body
    ours = [
        (name, path, values)
        for name, values in asked(call).items()
        if (path := rules.paths_of(name)) is not None
    ]
    if not ours:
        return body
    root = ET.fromstring(body)
    namespace = root.tag.partition("}")[0].removeprefix("{") if "}" in root.tag else ""
    ET.register_namespace("", namespace)
    *outer, last = rules.items.split("/")
    for parent in root.findall(_qualified("/".join(outer), namespace)):
        for item in parent.findall(_qualified(last, namespace)):
            if not all(_matches(item, namespace, *rule) for rule in ours):
                parent.remove(item)
    return ET.tostring(root)


def asked(call: Call) -> dict[str, list[str]]:
    """The filters of a request, with their values."""
    found: dict[str, list[str]] = {}
    number = 1
    while name := call.parameter(f"Filter.{number}.Name"):
        found[name] = []
        place = 1
        while value := call.parameter(f"Filter.{number}.Value.{place}"):
            found[name].append(value)
            place += 1
        number += 1
    return found


def _matches(item: ET.Element, namespace: str, name: str, path: str, values: list[str]) -> bool:
    has = list(_values(item, namespace, name, path))
    return any(fnmatch.fnmatchcase(value, pattern) for value in has for pattern in values)


def _values(item: ET.Element, namespace: str, name: str, path: str) -> Iterator[str]:
    for found in item.findall(_qualified(path, namespace)):
        if name.startswith("tag:"):
            if found.findtext(_qualified("key", namespace)) == name.removeprefix("tag:"):
                yield found.findtext(_qualified("value", namespace)) or ""
        elif name in TAGS:
            yield found.findtext(_qualified(name.removeprefix("tag-"), namespace)) or ""
        else:
            yield found.text or ""


def _qualified(path: str, namespace: str) -> str:
    return "/".join(f"{{{namespace}}}{part}" if namespace else part for part in path.split("/"))

"""VPC endpoints: AWS' refusals, and what MiniStack does not keep of them.

MiniStack makes an endpoint of whatever it is told, in a network that is not there, and forgets the groups and the
private names of one of type Interface.
"""

import re
from collections.abc import Iterator
from typing import Any

from sandbox.aws.standin import emulator
from sandbox.aws.standin.call import Call
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.internals import records

GATEWAYS = ("s3", "dynamodb")
INTERFACES = [
    "ec2",
    "ecr.api",
    "ecr.dkr",
    "eks",
    "eks-auth",
    "elasticloadbalancing",
    "kms",
    "logs",
    "monitoring",
    "secretsmanager",
    "sqs",
    "ssm",
    "ssmmessages",
    "sts",
]
"""The services that there are endpoints of. AWS has more, S3's of type Interface among them."""


def check(call: Call) -> Answer | None:
    """AWS' error for a call that it would refuse; None for the others."""
    match call.action:
        case "CreateVpcEndpoint":
            return _check_creation(call)
        case "ModifyVpcEndpoint":
            changed = _endpoint(call)
            return _check_parts(call, changed["VpcId"] if changed else "", "Add")
        case "DescribeVpcEndpoints":
            wanted = listed(call, "VpcEndpointId")
            gone = [each for each in wanted if each not in records("ec2").vpc_endpoints]
            return _no_endpoint(gone[0]) if gone else None
    return None


def _check_creation(call: Call) -> Answer | None:
    ec2, kind = records("ec2"), call.parameter("VpcEndpointType") or "Gateway"
    network, service = call.parameter("VpcId"), call.parameter("ServiceName")
    if network not in ec2.vpcs:
        return emulator.ec2_error("InvalidVpcId.NotFound", f"The Vpc Id {network} does not exist")
    known = {"Gateway": GATEWAYS, "Interface": INTERFACES}.get(kind, ())
    if service not in [f"com.amazonaws.{emulator.region()}.{name}" for name in known]:
        return emulator.ec2_error(
            "InvalidServiceName",
            f"The Vpc Endpoint Service '{service}' does not exist, or the sandbox has none of type {kind}",
        )
    others = [
        one
        for one in ec2.vpc_endpoints.values()
        if one["VpcId"] == network and one["ServiceName"] == service
    ]
    tables = set(listed(call, "RouteTableId"))
    for one in others:
        if taken := tables & set(one["RouteTableIds"]):
            return emulator.ec2_error(
                "RouteAlreadyExists", f"route table {min(taken)} already has a route to {service}"
            )
    if call.parameter("PrivateDnsEnabled") == "true":
        return _check_private_names(network, service, others) or _check_parts(call, network)
    return _check_parts(call, network)


def _check_private_names(network: str, service: str, others: list[dict[str, Any]]) -> Answer | None:
    vpc = records("ec2").vpcs[network]
    if not (vpc.get("EnableDnsSupport", True) and vpc.get("EnableDnsHostnames", False)):
        return emulator.ec2_error(
            "InvalidParameter",
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true "
            f"for {network}",
        )
    if any(one.get("PrivateDnsEnabled") for one in others):
        return emulator.ec2_error(
            "InvalidParameter",
            "private-dns-enabled cannot be set because there is already a conflicting DNS domain for "
            f"{service.rpartition('.')[2]} in the VPC {network}",
        )
    return None


def _check_parts(call: Call, network: str, before: str = "") -> Answer | None:
    """What is named must be of the network, and of subnets one in each zone."""
    ec2 = records("ec2")
    for name, store, code in (
        ("RouteTableId", ec2.route_tables, "InvalidRouteTableId.NotFound"),
        ("SubnetId", ec2.subnets, "InvalidSubnetId.NotFound"),
        ("SecurityGroupId", ec2.security_groups, "InvalidSecurityGroupId.NotFound"),
    ):
        for each in listed(call, before + name):
            if each not in store or store[each]["VpcId"] != network:
                return emulator.ec2_error(code, f"The {name} '{each}' does not exist in {network}")
    zones = [ec2.subnets[each]["AvailabilityZone"] for each in listed(call, f"{before}SubnetId")]
    if len(zones) > len(set(zones)):
        return emulator.ec2_error(
            "DuplicateSubnetsInSameZone",
            "Found another VPC endpoint subnet in the availability zone",
        )
    return None


def follow(call: Call, new: set[str], body: bytes) -> bytes:
    """Keeps what MiniStack forgets of a call that it has carried out, and shows it in the answer."""
    ec2 = records("ec2")
    for key in new:
        endpoint = ec2.vpc_endpoints[key]
        endpoint["PrivateDnsEnabled"] = call.parameter("PrivateDnsEnabled") == "true"
        endpoint["SecurityGroupIds"] = listed(call, "SecurityGroupId") or _default_group(endpoint)
    if call.action == "ModifyVpcEndpoint" and (changed := _endpoint(call)):
        left = set(changed.get("SecurityGroupIds", ())) - set(listed(call, "RemoveSecurityGroupId"))
        changed["SecurityGroupIds"] = sorted(left | set(listed(call, "AddSecurityGroupId")))
        if asked := call.parameter("PrivateDnsEnabled"):
            changed["PrivateDnsEnabled"] = asked == "true"
    if call.action in ("CreateVpcEndpoint", "DescribeVpcEndpoints"):
        return re.sub(r"<vpcEndpointId>(vpce-\w+)</vpcEndpointId>", _shown, body.decode()).encode()
    return body


def _shown(found: re.Match[str]) -> str:
    endpoint = records("ec2").vpc_endpoints[found[1]]
    if endpoint["VpcEndpointType"] != "Interface":
        return found[0]
    groups = "".join(
        f"<item><groupId>{group}</groupId></item>" for group in endpoint.get("SecurityGroupIds", ())
    )
    private = str(bool(endpoint.get("PrivateDnsEnabled"))).lower()
    return (
        f"{found[0]}<groupSet>{groups}</groupSet><privateDnsEnabled>{private}</privateDnsEnabled>"
    )


def _default_group(endpoint: dict[str, Any]) -> list[str]:
    """AWS takes the network's own where none is named."""
    if endpoint["VpcEndpointType"] != "Interface":
        return []
    return [
        key
        for key, group in records("ec2").security_groups.items()
        if group["VpcId"] == endpoint["VpcId"] and group["GroupName"] == "default"
    ]


def users_of_group(group: str) -> Iterator[str]:
    """The endpoints in a security group."""
    for key, endpoint in records("ec2").vpc_endpoints.items():
        if group in endpoint.get("SecurityGroupIds", ()):
            yield key


def listed(call: Call, name: str) -> list[str]:
    """The values of a list of the query protocol."""
    found: list[str] = []
    while value := call.parameter(f"{name}.{len(found) + 1}"):
        found.append(value)
    return found


def _endpoint(call: Call) -> dict[str, Any] | None:
    found: dict[str, Any] | None = records("ec2").vpc_endpoints.get(call.parameter("VpcEndpointId"))
    return found


def _no_endpoint(endpoint: str) -> Answer:
    return emulator.ec2_error(
        "InvalidVpcEndpointId.NotFound", f"The Vpc Endpoint Id '{endpoint}' does not exist"
    )

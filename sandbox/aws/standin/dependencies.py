"""EC2's dependency checks: what is in use is not deleted, what does not exist not used.

MiniStack deletes a subnet under its instances. A teardown in the wrong order would look right
here and fail on AWS; each check below is one of AWS' own.
"""

from collections.abc import Callable, Iterator
from typing import Any

from sandbox.aws.standin import emulator, endpoints
from sandbox.aws.standin.call import Call
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.internals import records

ENDED = ("deleted", "terminated", "shutting-down")


def check(call: Call) -> Answer | None:
    """AWS' error for a call that it would refuse; None for the others."""
    found = CHECKS.get(call.action)
    return found(call) if found else None


def users_of_subnet(subnet: str) -> Iterator[str]:
    """The resources with an address in a subnet."""
    ec2 = records("ec2")
    for store in (ec2.instances, ec2.nat_gateways, ec2.network_interfaces):
        yield from (key for key, item in store.items() if _is_in(item, subnet))
    for key, endpoint in ec2.vpc_endpoints.items():
        if subnet in endpoint.get("SubnetIds", []):
            yield key
    for cluster in records("eks").clusters.values():
        if subnet in cluster["resourcesVpcConfig"]["subnetIds"]:
            yield cluster["name"]
    for database in records("rds").instances.values():
        group = database.get("DBSubnetGroup") or {}
        if subnet in {item["SubnetIdentifier"] for item in group.get("Subnets", [])}:
            yield database["DBInstanceIdentifier"]
    for balancer in records("alb").lbs.values():
        if subnet in balancer["Subnets"]:
            yield balancer["LoadBalancerArn"]
    yield from _other_users(subnet)


def users_of_group(group: str) -> Iterator[str]:
    """The resources in a security group, and the groups whose rules name it."""
    ec2 = records("ec2")
    for key, instance in ec2.instances.items():
        if _alive(instance) and group in {item["GroupId"] for item in instance["SecurityGroups"]}:
            yield key
    for key, interface in ec2.network_interfaces.items():
        if group in {item["GroupId"] for item in interface["Groups"]}:
            yield key
    for balancer in records("alb").lbs.values():
        if group in balancer["SecurityGroups"]:
            yield balancer["LoadBalancerArn"]
    yield from endpoints.users_of_group(group)
    yield from _other_users(group)
    for key, other in ec2.security_groups.items():
        if key != group and group in _groups_in_rules(other):
            yield key
    for cluster in records("eks").clusters.values():
        network = cluster["resourcesVpcConfig"]
        if group in [*network["securityGroupIds"], network["clusterSecurityGroupId"]]:
            yield cluster["name"]


def _other_users(key: str) -> Iterator[str]:
    for users in OTHERS:
        yield from users(key)


OTHERS: list[Callable[[str], Iterator[str]]] = []
"""What else may use a subnet or a group, by its id: an extension's resources."""


def _groups_in_rules(group: dict[str, Any]) -> set[str]:
    rules = [*group.get("IpPermissions", []), *group.get("IpPermissionsEgress", [])]
    return {pair["GroupId"] for rule in rules for pair in rule.get("UserIdGroupPairs", [])}


def _alive(item: dict[str, Any]) -> bool:
    state = item.get("State", "")
    return (state["Name"] if isinstance(state, dict) else state) not in ENDED


def _is_in(item: dict[str, Any], subnet: str) -> bool:
    return item.get("SubnetId") == subnet and _alive(item)


def _violation(message: str) -> Answer:
    return emulator.ec2_error("DependencyViolation", message)


def _delete_subnet(call: Call) -> Answer | None:
    subnet = call.parameter("SubnetId")
    if any(users_of_subnet(subnet)):
        return _violation(f"The subnet '{subnet}' has dependencies and cannot be deleted.")
    return None


def _delete_group(call: Call) -> Answer | None:
    group = call.parameter("GroupId")
    if any(users_of_group(group)):
        return _violation(f"resource {group} has a dependent object")
    return None


def _delete_route_table(call: Call) -> Answer | None:
    table = call.parameter("RouteTableId")
    known = records("ec2").route_tables.get(table)
    if known and known["Associations"]:
        return _violation(f"The routeTable '{table}' has dependencies and cannot be deleted.")
    return None


def _delete_gateway(call: Call) -> Answer | None:
    gateway = call.parameter("InternetGatewayId")
    known = records("ec2").internet_gateways.get(gateway)
    if known and known["Attachments"]:
        return _violation(
            f"The internetGateway '{gateway}' has dependencies and cannot be deleted."
        )
    return None


def _detach_gateway(call: Call) -> Answer | None:
    ec2, vpc = records("ec2"), call.parameter("VpcId")
    natted = [nat for nat in ec2.nat_gateways.values() if nat["VpcId"] == vpc and _alive(nat)]
    addressed = [
        address
        for address in ec2.addresses.values()
        if ec2.instances.get(address["InstanceId"] or "", {}).get("VpcId") == vpc
    ]
    if natted or addressed:
        return _violation(
            f"Network {vpc} has some mapped public address(es). Please unmap those public "
            "address(es) before detaching the gateway."
        )
    return None


def _delete_vpc(call: Call) -> Answer | None:
    ec2, vpc = records("ec2"), call.parameter("VpcId")
    tables = [
        table
        for table in ec2.route_tables.values()
        if table["VpcId"] == vpc and not any(link.get("Main") for link in table["Associations"])
    ]
    others = [
        item
        for store in (ec2.vpc_endpoints, ec2.nat_gateways)
        for item in store.values()
        if item["VpcId"] == vpc and _alive(item)
    ]
    if tables or others:
        return _violation(f"The vpc '{vpc}' has dependencies and cannot be deleted.")
    return None


def _release_address(call: Call) -> Answer | None:
    allocation = call.parameter("AllocationId")
    known = records("ec2").addresses.get(allocation)
    if known and known["AssociationId"]:
        return emulator.ec2_error(
            "InvalidIPAddress.InUse", f"Address {known['PublicIp']} is in use."
        )
    return None


def _create_nat_gateway(call: Call) -> Answer | None:
    ec2, allocation = records("ec2"), call.parameter("AllocationId")
    address = ec2.addresses.get(allocation)
    if call.parameter("ConnectivityType") != "private" and address is None:
        return emulator.ec2_error(
            "InvalidElasticIpID.NotFound", f"Elastic IP address '{allocation}' does not exist"
        )
    if address and address["AssociationId"]:
        return emulator.ec2_error(
            "Resource.AlreadyAssociated",
            f"Elastic IP address [{allocation}] is already associated",
        )
    return _subnet_exists(call)


def _subnet_exists(call: Call) -> Answer | None:
    subnet = call.parameter("SubnetId")
    if subnet and subnet not in records("ec2").subnets:
        return emulator.ec2_error(
            "InvalidSubnetID.NotFound", f"The subnet ID '{subnet}' does not exist"
        )
    return None


CHECKS: dict[str, Callable[[Call], Answer | None]] = {
    "CreateNatGateway": _create_nat_gateway,
    "DeleteInternetGateway": _delete_gateway,
    "DeleteRouteTable": _delete_route_table,
    "DeleteSecurityGroup": _delete_group,
    "DeleteSubnet": _delete_subnet,
    "DeleteVpc": _delete_vpc,
    "DetachInternetGateway": _detach_gateway,
    "ReleaseAddress": _release_address,
    "RunInstances": _subnet_exists,
}

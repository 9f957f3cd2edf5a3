"""getVpc, getSubnet and getRouteTables of EC2."""

from typing import Any

from sandbox.errors import CloudError, Unsupported
from sandbox.providers.aws.clients import Aws
from sandbox.providers.aws.tags import from_list
from sandbox.wire.values import Properties


def get_vpc(aws: Aws, arguments: Properties) -> Properties:
    """DescribeVpcs by id, DescribeVpcAttribute, and DescribeRouteTables for the main one."""
    ec2 = aws.client("ec2")
    vpc = _only("VPC", arguments, ec2.describe_vpcs(VpcIds=[_id("getVpc", arguments)])["Vpcs"])
    name = vpc["VpcId"]
    main = [
        {"Name": "association.main", "Values": ["true"]},
        {"Name": "vpc-id", "Values": [name]},
    ]

    def attribute(which: str) -> bool:
        answer = ec2.describe_vpc_attribute(VpcId=name, Attribute=which)
        return bool(answer[which[:1].upper() + which[1:]]["Value"])

    return arguments | {
        "id": name,
        "region": aws.region,
        "arn": aws.arn("ec2", f"vpc/{name}"),
        "cidrBlock": vpc["CidrBlock"],
        "cidrBlockAssociations": [
            {
                "associationId": one["AssociationId"],
                "cidrBlock": one["CidrBlock"],
                "state": one["CidrBlockState"]["State"],
            }
            for one in vpc["CidrBlockAssociationSet"]
        ],
        "default": vpc["IsDefault"],
        "dhcpOptionsId": vpc["DhcpOptionsId"],
        "enableDnsHostnames": attribute("enableDnsHostnames"),
        "enableDnsSupport": attribute("enableDnsSupport"),
        "instanceTenancy": vpc["InstanceTenancy"],
        "mainRouteTableId": _only(
            "main route table", arguments, ec2.describe_route_tables(Filters=main)["RouteTables"]
        )["RouteTableId"],
        "ownerId": vpc["OwnerId"],
        "state": vpc["State"],
        "tags": from_list(vpc.get("Tags")),
    }


def get_subnet(aws: Aws, arguments: Properties) -> Properties:
    """DescribeSubnets by id; with a VPC's id none of another one."""
    query: dict[str, Any] = {"SubnetIds": [_id("getSubnet", arguments, "vpcId")]}
    if arguments.get("vpcId"):
        query["Filters"] = [{"Name": "vpc-id", "Values": [arguments["vpcId"]]}]
    subnet = _only("subnet", arguments, aws.client("ec2").describe_subnets(**query)["Subnets"])
    return arguments | {
        "id": subnet["SubnetId"],
        "region": aws.region,
        "arn": subnet["SubnetArn"],
        "availabilityZone": subnet["AvailabilityZone"],
        "availabilityZoneId": subnet.get("AvailabilityZoneId", ""),
        "availableIpAddressCount": subnet["AvailableIpAddressCount"],
        "cidrBlock": subnet["CidrBlock"],
        "defaultForAz": subnet["DefaultForAz"],
        "mapPublicIpOnLaunch": subnet["MapPublicIpOnLaunch"],
        "ownerId": subnet["OwnerId"],
        "state": subnet["State"],
        "tags": from_list(subnet.get("Tags")),
        "vpcId": subnet["VpcId"],
    }


def get_route_tables(aws: Aws, arguments: Properties) -> Properties:
    """DescribeRouteTables; none is an answer, too."""
    filters = [
        {"Name": one["name"], "Values": one["values"]} for one in arguments.get("filters") or ()
    ]
    if arguments.get("vpcId"):
        filters.append({"Name": "vpc-id", "Values": [arguments["vpcId"]]})
    found = aws.client("ec2").describe_route_tables(Filters=filters)["RouteTables"]
    return arguments | {
        "id": aws.region,
        "region": aws.region,
        "ids": [table["RouteTableId"] for table in found],
    }


def _id(function: str, arguments: Properties, *others: str) -> str:
    """Unsupported if it is looked for in another way, such as by filters."""
    unknown = sorted(
        key for key, value in arguments.items() if value and key not in ("id", "region", *others)
    )
    if unknown or not arguments.get("id"):
        raise Unsupported(
            f"The sandbox's aws provider looks for aws:ec2/{function}:{function} by its id only",
            f"Asked for by: {', '.join(unknown) or 'nothing'}.",
        )
    return str(arguments["id"])


def _only(what: str, arguments: Properties, found: list[Any]) -> Any:
    if len(found) != 1:
        raise CloudError(f"{len(found)} of one {what} match", f"Asked for: {arguments}")
    return found[0]

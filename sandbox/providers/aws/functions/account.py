"""getPartition, getRegion, getAvailabilityZones."""

from sandbox.providers.aws.clients import Aws
from sandbox.wire.values import Properties


def get_partition(aws: Aws, arguments: Properties) -> Properties:
    """Known without asking."""
    return {
        "id": aws.partition,
        "partition": aws.partition,
        "dnsSuffix": aws.dns_suffix,
        "reverseDnsPrefix": "com.amazonaws",
    }


def get_region(aws: Aws, arguments: Properties) -> Properties:
    """The one region of the sandbox."""
    return {
        "id": aws.region,
        "name": aws.region,
        "region": aws.region,
        "description": f"The sandbox's {aws.region}",
        "endpoint": f"ec2.{aws.region}.{aws.dns_suffix}",
    }


def get_availability_zones(aws: Aws, arguments: Properties) -> Properties:
    """DescribeAvailabilityZones."""
    filters = [
        {"Name": one["name"], "Values": one["values"]} for one in arguments.get("filters") or ()
    ]
    if arguments.get("state"):
        filters.append({"Name": "state", "Values": [arguments["state"]]})
    more = {"Filters": filters} if filters else {}
    answer = aws.client("ec2").describe_availability_zones(**more)
    left_out = {*(arguments.get("excludeNames") or ()), *(arguments.get("excludeZoneIds") or ())}
    zones = sorted(
        (
            zone
            for zone in answer["AvailabilityZones"]
            if zone["ZoneName"] not in left_out and zone.get("ZoneId") not in left_out
        ),
        key=lambda zone: zone["ZoneName"],
    )
    return arguments | {
        "id": aws.region,
        "region": aws.region,
        "names": [zone["ZoneName"] for zone in zones],
        "zoneIds": [zone.get("ZoneId", "") for zone in zones],
        "groupNames": sorted({zone.get("GroupName") or aws.region for zone in zones}),
    }

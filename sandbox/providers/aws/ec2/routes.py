"""Routes, as RouteTable has them inline and Route has them alone."""

from collections.abc import Mapping
from typing import Any

DESTINATIONS = {
    "cidrBlock": "DestinationCidrBlock",
    "ipv6CidrBlock": "DestinationIpv6CidrBlock",
    "destinationPrefixListId": "DestinationPrefixListId",
}
TARGETS = {
    "gatewayId": "GatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "vpcEndpointId": "VpcEndpointId",
    "egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
    "transitGatewayId": "TransitGatewayId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
}


def to_api(route: Mapping[str, Any]) -> dict[str, str]:
    """One inline route as parameters of CreateRoute."""
    names = DESTINATIONS | TARGETS
    return {names[key]: value for key, value in route.items() if key in names and value}


def from_api(route: Mapping[str, Any]) -> dict[str, str]:
    """One of DescribeRouteTables' routes as an inline route."""
    names = DESTINATIONS | TARGETS
    plain = {key: route[name] for key, name in names.items() if route.get(name)}
    # A gateway endpoint shows up as a gateway.
    if plain.get("gatewayId", "").startswith("vpce-"):
        plain["vpcEndpointId"] = plain.pop("gatewayId")
    return plain


def destination(route: Mapping[str, Any]) -> dict[str, str]:
    """What names a route within its table, as parameters of DeleteRoute."""
    return {name: route[key] for key, name in DESTINATIONS.items() if route.get(key)}


def made_by_user(table: Mapping[str, Any]) -> list[dict[str, str]]:
    """The routes of a table but for the VPC's own and those of gateway endpoints."""
    return [
        from_api(route)
        for route in table.get("Routes", [])
        if route.get("GatewayId") != "local"
        and route.get("Origin") != "CreateRouteTable"
        and not str(route.get("GatewayId", "")).startswith("vpce-")
    ]

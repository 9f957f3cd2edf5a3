"""aws:ec2/route:Route."""

from collections.abc import Set
from typing import Any

from sandbox.providers.aws.resource import Known, Resource
from sandbox.wire.values import Properties

_TARGETS = {"gatewayId": "GatewayId", "natGatewayId": "NatGatewayId"}


class Route(Resource):
    """CreateRoute, ReplaceRoute, DescribeRouteTables, DeleteRoute. Id: TABLE_DESTINATION."""

    TYPE = "aws:ec2/route:Route"
    SERVICE = "ec2"
    REPLACE_ON = frozenset({"destinationCidrBlock", "routeTableId"})
    IN_PLACE = frozenset(_TARGETS)
    COMPUTED = ("origin", "state")
    TAGGED = False

    def create(self, inputs: Properties) -> str:
        route_id = f"{inputs['routeTableId']}_{inputs['destinationCidrBlock']}"
        self.client.create_route(**_names(route_id), **_target(inputs))
        return route_id

    def read(self, known: Known) -> Properties | None:
        names = _names(known.id)
        table, cidr = names["RouteTableId"], names["DestinationCidrBlock"]
        tables = self.client.describe_route_tables(RouteTableIds=[table])["RouteTables"]
        for route in tables[0]["Routes"] if tables else ():
            if route.get("DestinationCidrBlock") == cidr:
                return {
                    "routeTableId": table,
                    "destinationCidrBlock": cidr,
                    **{key: route.get(name) or None for key, name in _TARGETS.items()},
                    "origin": route.get("Origin"),
                    "state": route.get("State"),
                }
        return None

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if changes:
            self.client.replace_route(**_names(known.id), **_target(inputs))

    def delete(self, known: Known) -> None:
        self.client.delete_route(**_names(known.id))


def _names(route_id: str) -> dict[str, str]:
    table, _, cidr = route_id.partition("_")
    return {"RouteTableId": table, "DestinationCidrBlock": cidr}


def _target(inputs: Properties) -> dict[str, Any]:
    return {name: inputs[key] for key, name in _TARGETS.items() if inputs.get(key)}

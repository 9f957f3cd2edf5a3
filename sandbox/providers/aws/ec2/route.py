"""aws:ec2/route:Route."""

from collections.abc import Set
from typing import Any

from sandbox.providers.aws.ec2 import routes
from sandbox.providers.aws.resource import Known, Resource
from sandbox.wire.values import Properties

_DESTINATIONS = {
    "destinationCidrBlock": "cidrBlock",
    "destinationIpv6CidrBlock": "ipv6CidrBlock",
    "destinationPrefixListId": "destinationPrefixListId",
}


class Route(Resource):
    """CreateRoute, ReplaceRoute, DescribeRouteTables, DeleteRoute. Id: TABLE_DESTINATION."""

    TYPE = "aws:ec2/route:Route"
    SERVICE = "ec2"
    REPLACE_ON = frozenset({"routeTableId", *_DESTINATIONS})
    IN_PLACE = frozenset(routes.TARGETS)
    COMPUTED = ("origin", "state")
    TAGGED = False

    def create(self, inputs: Properties) -> str:
        self.client.create_route(
            RouteTableId=inputs["routeTableId"], **routes.to_api(_inline(inputs))
        )
        return f"{inputs['routeTableId']}_{_destination(inputs)}"

    def _find(self, route_id: str) -> Any | None:
        table_id, _, wanted = route_id.partition("_")
        tables = self.client.describe_route_tables(RouteTableIds=[table_id])["RouteTables"]
        for route in tables[0]["Routes"] if tables else ():
            if wanted in routes.destination(routes.from_api(route)).values():
                return route
        return None

    def read(self, known: Known) -> Properties | None:
        item = self._find(known.id)
        if item is None:
            return None
        plain = routes.from_api(item)
        back = {inline: key for key, inline in _DESTINATIONS.items()}
        return {
            "routeTableId": known.id.partition("_")[0],
            **dict.fromkeys(routes.TARGETS),
            **{back.get(key, key): value for key, value in plain.items()},
            "origin": item.get("Origin"),
            "state": item.get("State"),
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if changes:
            self.client.replace_route(
                RouteTableId=inputs["routeTableId"], **routes.to_api(_inline(inputs))
            )

    def delete(self, known: Known) -> None:
        table_id = known.id.partition("_")[0]
        item = self._find(known.id)
        if item is not None:
            self.client.delete_route(
                RouteTableId=table_id, **routes.destination(routes.from_api(item))
            )


def _inline(inputs: Properties) -> Properties:
    return {_DESTINATIONS.get(key, key): value for key, value in inputs.items()}


def _destination(inputs: Properties) -> str:
    return str(next(inputs[key] for key in _DESTINATIONS if inputs.get(key)))

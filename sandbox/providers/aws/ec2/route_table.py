"""aws:ec2/routeTable:RouteTable, with inline routes."""

from collections.abc import Set

from sandbox.providers.aws.ec2 import routes
from sandbox.providers.aws.ec2.base import Ec2Resource
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties


class RouteTable(Ec2Resource):
    """CreateRouteTable, CreateRoute, ReplaceRoute, DeleteRoute, DescribeRouteTables,
    DeleteRouteTable."""

    TYPE = "aws:ec2/routeTable:RouteTable"
    REPLACE_ON = frozenset({"vpcId"})
    IN_PLACE = frozenset({"routes"})
    COMPUTED = ("arn", "ownerId", "propagatingVgws", "routes")
    DESCRIBE, ITEMS, ID, KIND = (
        "describe_route_tables",
        "RouteTables",
        "RouteTableId",
        "route-table",
    )

    def create(self, inputs: Properties) -> str:
        answer = self.client.create_route_table(
            VpcId=inputs["vpcId"], TagSpecifications=self.tagged(inputs)
        )
        return str(answer["RouteTable"]["RouteTableId"])

    def finish(self, known: Known) -> None:
        """Make the table's routes those of the inputs, if they speak of routes at all."""
        wanted = known.inputs.get("routes")
        if wanted is None:
            return
        table = self.describe(known.id) or {}
        present = {str(routes.destination(r)): r for r in routes.made_by_user(table)}
        for route in wanted:
            former = present.pop(str(routes.destination(route)), None)
            call = self.client.replace_route if former else self.client.create_route
            if routes.to_api(route) != routes.to_api(former or {}):
                call(RouteTableId=known.id, **routes.to_api(route))
        for route in present.values():
            self.client.delete_route(RouteTableId=known.id, **routes.destination(route))

    def read(self, known: Known) -> Properties | None:
        item = self.describe(known.id)
        if item is None:
            return None
        return {
            "arn": self.arn(known.id),
            "vpcId": item["VpcId"],
            "ownerId": item.get("OwnerId", self.aws.account_id),
            "propagatingVgws": [v["GatewayId"] for v in item.get("PropagatingVgws", [])],
            "routes": routes.made_by_user(item),
            "tags": self.tags(item),
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        """`finish`, which follows, sets the routes."""

    def delete(self, known: Known) -> None:
        item = self.describe(known.id)
        for association in (item or {}).get("Associations", []):
            if not association.get("Main"):
                self.client.disassociate_route_table(
                    AssociationId=association["RouteTableAssociationId"]
                )
        self.client.delete_route_table(RouteTableId=known.id)

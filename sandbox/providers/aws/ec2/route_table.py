"""aws:ec2/routeTable:RouteTable. Its routes are resources of their own."""

from types import MappingProxyType

from sandbox.providers.aws.ec2.base import Ec2Resource
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties


class RouteTable(Ec2Resource):
    """CreateRouteTable, DescribeRouteTables, DisassociateRouteTable, DeleteRouteTable."""

    TYPE = "aws:ec2/routeTable:RouteTable"
    REPLACE_ON = frozenset({"vpcId"})
    COMPUTED = ("arn",)
    FIELDS = MappingProxyType({"vpcId": "VpcId"})
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

    def delete(self, known: Known) -> None:
        item = self.describe(known.id)
        for association in (item or {}).get("Associations", []):
            if not association.get("Main"):
                self.client.disassociate_route_table(
                    AssociationId=association["RouteTableAssociationId"]
                )
        self.client.delete_route_table(RouteTableId=known.id)

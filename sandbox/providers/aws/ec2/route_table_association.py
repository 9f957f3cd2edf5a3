"""aws:ec2/routeTableAssociation:RouteTableAssociation."""

from collections.abc import Set
from typing import Any

from sandbox.providers.aws.resource import Known, Resource
from sandbox.wire.values import Properties


class RouteTableAssociation(Resource):
    """AssociateRouteTable, ReplaceRouteTableAssociation, DescribeRouteTables,
    DisassociateRouteTable. Imported as SUBNET/TABLE."""

    TYPE = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    SERVICE = "ec2"
    REPLACE_ON = frozenset({"subnetId"})
    IN_PLACE = frozenset({"routeTableId"})
    TAGGED = False

    def create(self, inputs: Properties) -> str:
        answer = self.client.associate_route_table(
            RouteTableId=inputs["routeTableId"], SubnetId=inputs["subnetId"]
        )
        return str(answer["AssociationId"])

    def _find(self, name: str, value: str) -> Any | None:
        key = {
            "association.route-table-association-id": "RouteTableAssociationId",
            "association.subnet-id": "SubnetId",
        }[name]
        tables = self.client.describe_route_tables(Filters=[{"Name": name, "Values": [value]}])
        for table in tables["RouteTables"]:
            for association in table["Associations"]:
                if association.get(key) == value:
                    return association
        return None

    def _locate(self, known: Known) -> Any | None:
        """By id, by SUBNET/TABLE, or by the subnet if AWS has given it another id since."""
        found = self._find("association.route-table-association-id", known.id)
        subnet = known.id.partition("/")[0] if "/" in known.id else known.get("subnetId")
        if found is None and subnet:
            return self._find("association.subnet-id", subnet)
        return found

    def read(self, known: Known) -> Properties | None:
        found = self._locate(known)
        if found is None:
            return None
        return {
            "id": found["RouteTableAssociationId"],
            "routeTableId": found["RouteTableId"],
            "subnetId": found.get("SubnetId"),
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        found = self._locate(known)
        if "routeTableId" in changes and found is not None:
            self.client.replace_route_table_association(
                AssociationId=found["RouteTableAssociationId"],
                RouteTableId=inputs["routeTableId"],
            )

    def delete(self, known: Known) -> None:
        found = self._locate(known)
        if found is not None:
            self.client.disassociate_route_table(AssociationId=found["RouteTableAssociationId"])

"""aws:rds/subnetGroup:SubnetGroup."""

from collections.abc import Set
from types import MappingProxyType

from sandbox.providers.aws.rds.base import RdsResource
from sandbox.providers.aws.resource import Known
from sandbox.providers.aws.tags import to_list, visible
from sandbox.wire.values import Properties


class SubnetGroup(RdsResource):
    """CreateDBSubnetGroup, ModifyDBSubnetGroup, DescribeDBSubnetGroups,
    DeleteDBSubnetGroup. Id: the name."""

    TYPE = "aws:rds/subnetGroup:SubnetGroup"
    REPLACE_ON = frozenset({"name"})
    IN_PLACE = frozenset({"description", "subnetIds"})
    DEFAULTS = MappingProxyType({"description": "Managed by Pulumi"})
    COMPUTED = ("arn", "supportedNetworkTypes", "vpcId")
    NAME = "name"
    LONGEST_NAME = 255

    def create(self, inputs: Properties) -> str:
        self.client.create_db_subnet_group(
            DBSubnetGroupName=inputs["name"],
            DBSubnetGroupDescription=inputs["description"],
            SubnetIds=inputs["subnetIds"],
            Tags=to_list(inputs["tags"]),
        )
        return str(inputs["name"])

    def arn_of(self, resource_id: str) -> str:
        return self.aws.arn("rds", f"subgrp:{resource_id}")

    def read(self, known: Known) -> Properties | None:
        answer = self.client.describe_db_subnet_groups(DBSubnetGroupName=known.id)
        item = answer["DBSubnetGroups"][0]
        return {
            "arn": self.arn_of(known.id),
            "name": item["DBSubnetGroupName"],
            "description": item["DBSubnetGroupDescription"],
            "subnetIds": [subnet["SubnetIdentifier"] for subnet in item["Subnets"]],
            "supportedNetworkTypes": item.get("SupportedNetworkTypes", ["IPV4"]),
            "vpcId": item["VpcId"],
            "tags": visible(self.all_tags(known.id)),
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if changes:
            self.client.modify_db_subnet_group(
                DBSubnetGroupName=known.id,
                DBSubnetGroupDescription=inputs["description"],
                SubnetIds=inputs["subnetIds"],
            )

    def delete(self, known: Known) -> None:
        self.client.delete_db_subnet_group(DBSubnetGroupName=known.id)

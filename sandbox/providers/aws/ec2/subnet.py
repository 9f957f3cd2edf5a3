"""aws:ec2/subnet:Subnet."""

from collections.abc import Set
from types import MappingProxyType

from sandbox.providers.aws.ec2.base import Ec2Resource
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties


class Subnet(Ec2Resource):
    """CreateSubnet, ModifySubnetAttribute, DescribeSubnets, DeleteSubnet."""

    TYPE = "aws:ec2/subnet:Subnet"
    REPLACE_ON = frozenset({"vpcId", "cidrBlock", "availabilityZone"})
    IN_PLACE = frozenset({"mapPublicIpOnLaunch"})
    DEFAULTS = MappingProxyType({"mapPublicIpOnLaunch": False})
    COMPUTED = ("arn", "availabilityZone", "availabilityZoneId", "ownerId")
    DESCRIBE, ITEMS, ID, KIND = "describe_subnets", "Subnets", "SubnetId", "subnet"

    def create(self, inputs: Properties) -> str:
        zone = inputs.get("availabilityZone")
        answer = self.client.create_subnet(
            VpcId=inputs["vpcId"],
            CidrBlock=inputs["cidrBlock"],
            TagSpecifications=self.tagged(inputs),
            **({"AvailabilityZone": zone} if zone else {}),
        )
        return str(answer["Subnet"]["SubnetId"])

    def finish(self, known: Known) -> None:
        if known.inputs["mapPublicIpOnLaunch"]:
            self._map_public(known.id, True)

    def _map_public(self, subnet: str, value: bool) -> None:
        self.client.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": value})

    def read(self, known: Known) -> Properties | None:
        item = self.describe(known.id)
        if item is None:
            return None
        return {
            "arn": self.arn(known.id),
            "vpcId": item["VpcId"],
            "cidrBlock": item["CidrBlock"],
            "availabilityZone": item["AvailabilityZone"],
            "availabilityZoneId": item.get("AvailabilityZoneId"),
            "mapPublicIpOnLaunch": item.get("MapPublicIpOnLaunch", False),
            "ownerId": item.get("OwnerId", self.aws.account_id),
            "tags": self.tags(item),
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if "mapPublicIpOnLaunch" in changes:
            self._map_public(known.id, inputs["mapPublicIpOnLaunch"])

    def delete(self, known: Known) -> None:
        self.client.delete_subnet(SubnetId=known.id)

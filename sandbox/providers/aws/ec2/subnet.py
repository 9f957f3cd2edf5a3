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
    COMPUTED = ("arn", "availabilityZone", "availabilityZoneId")
    FIELDS = MappingProxyType(
        {
            "availabilityZone": "AvailabilityZone",
            "availabilityZoneId": "AvailabilityZoneId",
            "cidrBlock": "CidrBlock",
            "mapPublicIpOnLaunch": "MapPublicIpOnLaunch",
            "vpcId": "VpcId",
        }
    )
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

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if "mapPublicIpOnLaunch" in changes:
            self._map_public(known.id, inputs["mapPublicIpOnLaunch"])

    def delete(self, known: Known) -> None:
        self.client.delete_subnet(SubnetId=known.id)

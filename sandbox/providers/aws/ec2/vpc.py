"""aws:ec2/vpc:Vpc."""

from collections.abc import Set
from types import MappingProxyType
from typing import Any

from sandbox.providers.aws.ec2.base import Ec2Resource
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties

_ATTRIBUTES = {
    "enableDnsSupport": "EnableDnsSupport",
    "enableDnsHostnames": "EnableDnsHostnames",
}


class Vpc(Ec2Resource):
    """CreateVpc, ModifyVpcAttribute, DescribeVpcs, DescribeVpcAttribute, DeleteVpc."""

    TYPE = "aws:ec2/vpc:Vpc"
    REPLACE_ON = frozenset({"cidrBlock"})
    IN_PLACE = frozenset(_ATTRIBUTES)
    DEFAULTS = MappingProxyType({"enableDnsSupport": True})
    COMPUTED = ("arn", "enableDnsHostnames")
    FIELDS = MappingProxyType({"cidrBlock": "CidrBlock"})
    DESCRIBE, ITEMS, ID, KIND = "describe_vpcs", "Vpcs", "VpcId", "vpc"

    def create(self, inputs: Properties) -> str:
        answer = self.client.create_vpc(
            CidrBlock=inputs["cidrBlock"], TagSpecifications=self.tagged(inputs)
        )
        return str(answer["Vpc"]["VpcId"])

    def finish(self, known: Known) -> None:
        for key, attribute in _ATTRIBUTES.items():
            wanted = known.inputs.get(key)
            if wanted is not None and wanted != self._attribute(known.id, key):
                # AWS takes one attribute a call.
                self.client.modify_vpc_attribute(VpcId=known.id, **{attribute: {"Value": wanted}})

    def _attribute(self, vpc: str, key: str) -> bool:
        answer = self.client.describe_vpc_attribute(VpcId=vpc, Attribute=key)
        return bool(answer.get(_ATTRIBUTES[key], {}).get("Value", False))

    def details(self, known: Known, item: Any) -> Properties:
        return {key: self._attribute(known.id, key) for key in _ATTRIBUTES}

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        """`finish`, which follows, sets what differs."""

    def delete(self, known: Known) -> None:
        self.client.delete_vpc(VpcId=known.id)

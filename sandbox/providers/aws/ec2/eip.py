"""aws:ec2/eip:Eip."""

from types import MappingProxyType

from sandbox.providers.aws.ec2.base import Ec2Resource
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties


class Eip(Ec2Resource):
    """AllocateAddress, DescribeAddresses, DisassociateAddress, ReleaseAddress."""

    TYPE = "aws:ec2/eip:Eip"
    REPLACE_ON = frozenset({"domain"})
    DEFAULTS = MappingProxyType({"domain": "vpc"})
    COMPUTED = ("allocationId", "arn", "publicIp")
    DESCRIBE, ITEMS, ID = "describe_addresses", "Addresses", "AllocationId"
    KIND = "elastic-ip"
    FIELDS = MappingProxyType(
        {"allocationId": "AllocationId", "domain": "Domain", "publicIp": "PublicIp"}
    )

    def create(self, inputs: Properties) -> str:
        answer = self.client.allocate_address(
            Domain=inputs["domain"], TagSpecifications=self.tagged(inputs)
        )
        return str(answer["AllocationId"])

    def delete(self, known: Known) -> None:
        association = (self.describe(known.id) or {}).get("AssociationId")
        if association:
            self.client.disassociate_address(AssociationId=association)
        self.client.release_address(AllocationId=known.id)

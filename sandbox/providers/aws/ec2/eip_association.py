"""aws:ec2/eipAssociation:EipAssociation."""

from sandbox.providers.aws.ec2.base import Ec2Resource
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties


class EipAssociation(Ec2Resource):
    """AssociateAddress, DescribeAddresses, DisassociateAddress."""

    TYPE = "aws:ec2/eipAssociation:EipAssociation"
    REPLACE_ON = frozenset({"allocationId", "allowReassociation", "instanceId"})
    COMPUTED = ("publicIp",)
    TAGGED = False

    def create(self, inputs: Properties) -> str:
        # Associating with the same holder again is no error and gives the same association.
        answer = self.client.associate_address(
            AllocationId=inputs["allocationId"],
            InstanceId=inputs["instanceId"],
            AllowReassociation=inputs.get("allowReassociation", True),
        )
        return str(answer["AssociationId"])

    def read(self, known: Known) -> Properties | None:
        items = self.client.describe_addresses(
            Filters=[{"Name": "association-id", "Values": [known.id]}]
        )["Addresses"]
        items = [item for item in items if item.get("AssociationId") == known.id]
        if not items:
            return None
        return {
            "allocationId": items[0]["AllocationId"],
            "instanceId": items[0].get("InstanceId") or "",
            "publicIp": items[0]["PublicIp"],
        }

    def delete(self, known: Known) -> None:
        self.client.disassociate_address(AssociationId=known.id)

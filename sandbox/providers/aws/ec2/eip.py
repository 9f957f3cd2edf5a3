"""aws:ec2/eip:Eip."""

from collections.abc import Set
from types import MappingProxyType

from sandbox.providers.aws.ec2.base import Ec2Resource
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties


class Eip(Ec2Resource):
    """AllocateAddress, AssociateAddress, DisassociateAddress, DescribeAddresses,
    ReleaseAddress."""

    TYPE = "aws:ec2/eip:Eip"
    REPLACE_ON = frozenset({"domain"})
    IN_PLACE = frozenset({"instance", "networkInterface"})
    DEFAULTS = MappingProxyType({"domain": "vpc"})
    COMPUTED = (
        "allocationId",
        "arn",
        "associationId",
        "instance",
        "networkInterface",
        "privateIp",
        "publicDns",
        "publicIp",
    )
    DESCRIBE, ITEMS, ID = "describe_addresses", "Addresses", "AllocationId"
    KIND = "elastic-ip"

    def create(self, inputs: Properties) -> str:
        answer = self.client.allocate_address(
            Domain=inputs["domain"], TagSpecifications=self.tagged(inputs)
        )
        return str(answer["AllocationId"])

    def finish(self, known: Known) -> None:
        instance = known.inputs.get("instance")
        interface = known.inputs.get("networkInterface")
        if not instance and not interface:
            return
        address = self.describe(known.id) or {}
        if instance and address.get("InstanceId") != instance:
            self.client.associate_address(AllocationId=known.id, InstanceId=instance)
        elif interface and address.get("NetworkInterfaceId") != interface:
            self.client.associate_address(AllocationId=known.id, NetworkInterfaceId=interface)

    def read(self, known: Known) -> Properties | None:
        item = self.describe(known.id)
        if item is None:
            return None
        address = item["PublicIp"]
        dashed = address.replace(".", "-")
        zone = "compute-1" if self.aws.region == "us-east-1" else f"{self.aws.region}.compute"
        return {
            "allocationId": item["AllocationId"],
            "arn": self.arn(known.id),
            "associationId": item.get("AssociationId") or "",
            "domain": item.get("Domain", "vpc"),
            "instance": item.get("InstanceId") or "",
            "networkInterface": item.get("NetworkInterfaceId") or "",
            "privateIp": item.get("PrivateIpAddress"),
            "publicIp": address,
            "publicDns": f"ec2-{dashed}.{zone}.{self.aws.dns_suffix}",
            "tags": self.tags(item),
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        """Let go of the former holder; `finish` associates with the new one."""
        if changes:
            self._disassociate(known.id)

    def _disassociate(self, allocation: str) -> None:
        association = (self.describe(allocation) or {}).get("AssociationId")
        if association:
            self.client.disassociate_address(AssociationId=association)

    def delete(self, known: Known) -> None:
        self._disassociate(known.id)
        self.client.release_address(AllocationId=known.id)

"""aws:ec2/natGateway:NatGateway."""

from types import MappingProxyType
from typing import Any

from sandbox.errors import CloudError
from sandbox.providers.aws.ec2.base import Ec2Resource
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties

_SECONDS = 600.0


class NatGateway(Ec2Resource):
    """CreateNatGateway, DescribeNatGateways, DeleteNatGateway."""

    TYPE = "aws:ec2/natGateway:NatGateway"
    REPLACE_ON = frozenset({"allocationId", "subnetId"})
    COMPUTED = ("associationId", "networkInterfaceId", "privateIp", "publicIp")
    FIELDS = MappingProxyType({"subnetId": "SubnetId"})
    DESCRIBE, ITEMS, ID, KIND = "describe_nat_gateways", "NatGateways", "NatGatewayId", "natgateway"

    def create(self, inputs: Properties) -> str:
        answer = self.client.create_nat_gateway(
            AllocationId=inputs["allocationId"],
            SubnetId=inputs["subnetId"],
            TagSpecifications=self.tagged(inputs),
        )
        return str(answer["NatGateway"]["NatGatewayId"])

    def finish(self, known: Known) -> None:
        def available() -> bool | None:
            item = self.describe(known.id)
            if item is None:
                raise CloudError(f"NAT gateway {known.id} failed")
            return True if item["State"] == "available" else None

        self.aws.wait(f"NAT gateway {known.id} becomes available", available, _SECONDS)

    def details(self, known: Known, item: Any) -> Properties:
        address = (item.get("NatGatewayAddresses") or [{}])[0]
        return {
            "allocationId": address.get("AllocationId"),
            "associationId": address.get("AssociationId"),
            "networkInterfaceId": address.get("NetworkInterfaceId"),
            "privateIp": address.get("PrivateIp"),
            "publicIp": address.get("PublicIp"),
        }

    def delete(self, known: Known) -> None:
        self.client.delete_nat_gateway(NatGatewayId=known.id)
        # Its address and its subnet can only be deleted when it is really gone.
        self.aws.wait(
            f"NAT gateway {known.id} is deleted", lambda: self._deleted(known.id), _SECONDS
        )

    def _deleted(self, gateway: str) -> bool | None:
        answer = self.client.describe_nat_gateways(
            Filters=[{"Name": "nat-gateway-id", "Values": [gateway]}]
        )
        left = [item for item in answer["NatGateways"] if item["State"] != "deleted"]
        return None if left else True

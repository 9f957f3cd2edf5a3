"""aws:ec2/internetGateway:InternetGateway."""

from collections.abc import Set
from typing import Any

from sandbox.providers.aws.ec2.base import Ec2Resource
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties


class InternetGateway(Ec2Resource):
    """CreateInternetGateway, AttachInternetGateway, DetachInternetGateway,
    DescribeInternetGateways, DeleteInternetGateway."""

    TYPE = "aws:ec2/internetGateway:InternetGateway"
    IN_PLACE = frozenset({"vpcId"})
    COMPUTED = ("arn", "vpcId")
    DESCRIBE, ITEMS = "describe_internet_gateways", "InternetGateways"
    ID, KIND = "InternetGatewayId", "internet-gateway"

    def create(self, inputs: Properties) -> str:
        answer = self.client.create_internet_gateway(TagSpecifications=self.tagged(inputs))
        return str(answer["InternetGateway"]["InternetGatewayId"])

    def finish(self, known: Known) -> None:
        wanted = known.inputs.get("vpcId")
        attached = self._attached(self.describe(known.id) or {})
        if wanted and wanted != attached:
            self.client.attach_internet_gateway(InternetGatewayId=known.id, VpcId=wanted)

    def _attached(self, item: Properties) -> str | None:
        attachments = item.get("Attachments") or []
        return str(attachments[0]["VpcId"]) if attachments else None

    def details(self, known: Known, item: Any) -> Properties:
        return {"vpcId": self._attached(item)}

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        """Detach from the former VPC; `finish` attaches to the new one."""
        if "vpcId" in changes:
            self._detach(known.id)

    def _detach(self, gateway: str) -> None:
        attached = self._attached(self.describe(gateway) or {})
        if attached:
            self.client.detach_internet_gateway(InternetGatewayId=gateway, VpcId=attached)

    def delete(self, known: Known) -> None:
        self._detach(known.id)
        self.client.delete_internet_gateway(InternetGatewayId=known.id)

"""aws:ec2/internetGateway:InternetGateway."""

from collections.abc import Set

from sandbox.providers.aws.ec2.base import Ec2Resource
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties


class InternetGateway(Ec2Resource):
    """CreateInternetGateway, AttachInternetGateway, DetachInternetGateway,
    DescribeInternetGateways, DeleteInternetGateway."""

    TYPE = "aws:ec2/internetGateway:InternetGateway"
    IN_PLACE = frozenset({"vpcId"})
    COMPUTED = ("arn", "ownerId", "vpcId")
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

    def read(self, known: Known) -> Properties | None:
        item = self.describe(known.id)
        if item is None:
            return None
        return {
            "arn": self.arn(known.id),
            "vpcId": self._attached(item),
            "ownerId": item.get("OwnerId", self.aws.account_id),
            "tags": self.tags(item),
        }

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

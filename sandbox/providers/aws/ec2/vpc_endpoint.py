"""aws:ec2/vpcEndpoint:VpcEndpoint, of an AWS service: Gateway or Interface."""

from collections.abc import Set
from types import MappingProxyType
from typing import Any

from sandbox.providers import contract
from sandbox.providers.aws.ec2.base import Ec2Resource
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import UNKNOWN, Properties

_SECONDS = 600.0

_CHANGES = MappingProxyType(
    {
        "routeTableIds": "RouteTableIds",
        "securityGroupIds": "SecurityGroupIds",
        "subnetIds": "SubnetIds",
    }
)


class VpcEndpoint(Ec2Resource):
    """CreateVpcEndpoint, DescribeVpcEndpoints, ModifyVpcEndpoint, DeleteVpcEndpoints."""

    TYPE = "aws:ec2/vpcEndpoint:VpcEndpoint"
    REPLACE_ON = frozenset({"serviceName", "vpcEndpointType", "vpcId"})
    IN_PLACE = frozenset({*_CHANGES, "privateDnsEnabled"})
    DEFAULTS = MappingProxyType({"vpcEndpointType": "Gateway"})
    COMPUTED = (
        *("arn", "networkInterfaceIds", "ownerId", "state"),
        # AWS has words of its own for these where the program has none.
        *("privateDnsEnabled", "securityGroupIds", "routeTableIds", "subnetIds"),
    )
    FIELDS = MappingProxyType(
        {
            "serviceName": "ServiceName",
            "vpcEndpointType": "VpcEndpointType",
            "vpcId": "VpcId",
            "routeTableIds": "RouteTableIds",
            "subnetIds": "SubnetIds",
            "ownerId": "OwnerId",
            "state": "State",
            "networkInterfaceIds": "NetworkInterfaceIds",
        }
    )
    DESCRIBE, ITEMS, ID, KIND = (
        "describe_vpc_endpoints",
        "VpcEndpoints",
        "VpcEndpointId",
        "vpc-endpoint",
    )

    def validate(self, inputs: Properties) -> list[contract.CheckFailure]:
        if inputs["vpcEndpointType"] in ("Gateway", "Interface", UNKNOWN):
            return []
        reason = "The sandbox's endpoints are of type Gateway or Interface"
        return [contract.CheckFailure("vpcEndpointType", reason)]

    def create(self, inputs: Properties) -> str:
        answer = self.client.create_vpc_endpoint(
            VpcId=inputs["vpcId"],
            ServiceName=inputs["serviceName"],
            VpcEndpointType=inputs["vpcEndpointType"],
            TagSpecifications=self.tagged(inputs),
            **{name: list(inputs[key]) for key, name in _CHANGES.items() if inputs.get(key)},
            **self._private_dns(inputs),
        )
        return str(answer["VpcEndpoint"]["VpcEndpointId"])

    @staticmethod
    def _private_dns(inputs: Properties) -> dict[str, bool]:
        # A gateway takes no such argument.
        if inputs["vpcEndpointType"] != "Interface":
            return {}
        return {"PrivateDnsEnabled": bool(inputs.get("privateDnsEnabled"))}

    def finish(self, known: Known) -> None:
        self.aws.wait(
            f"VPC endpoint {known.id} becomes available",
            lambda: (self.describe(known.id) or {}).get("State", "").lower() == "available" or None,
            _SECONDS,
        )

    def details(self, known: Known, item: Any) -> Properties:
        return {
            "privateDnsEnabled": bool(item.get("PrivateDnsEnabled")),
            "securityGroupIds": [group["GroupId"] for group in item.get("Groups") or ()],
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        changed: dict[str, Any] = {}
        for key in changes & _CHANGES.keys():
            had, wanted = set(known.get(key) or ()), set(inputs.get(key) or ())
            name = _CHANGES[key]
            changed |= {f"Add{name}": sorted(wanted - had), f"Remove{name}": sorted(had - wanted)}
        changed = {name: ids for name, ids in changed.items() if ids}
        if "privateDnsEnabled" in changes:
            changed |= self._private_dns(inputs)
        if changed:
            self.client.modify_vpc_endpoint(VpcEndpointId=known.id, **changed)

    def delete(self, known: Known) -> None:
        self.client.delete_vpc_endpoints(VpcEndpointIds=[known.id])
        # Its addresses keep the subnets until it is really gone.
        self.aws.wait(
            f"VPC endpoint {known.id} is deleted",
            lambda: True if self._left(known.id) is None else None,
            _SECONDS,
        )

    def _left(self, endpoint: str) -> Any | None:
        filters = [{"Name": "vpc-endpoint-id", "Values": [endpoint]}]
        found = self.client.describe_vpc_endpoints(Filters=filters)["VpcEndpoints"]
        return next((item for item in found if item["State"].lower() != "deleted"), None)

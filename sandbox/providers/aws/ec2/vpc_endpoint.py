"""aws:ec2/vpcEndpoint:VpcEndpoint."""

from collections.abc import Set
from types import MappingProxyType
from typing import Any

from sandbox.errors import CloudError
from sandbox.providers.aws.ec2.base import Ec2Resource
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties

_SECONDS = 600.0
_LISTS = {
    "routeTableIds": "RouteTableIds",
    "subnetIds": "SubnetIds",
    "securityGroupIds": "SecurityGroupIds",
}


class VpcEndpoint(Ec2Resource):
    """CreateVpcEndpoint, ModifyVpcEndpoint, DescribeVpcEndpoints, DeleteVpcEndpoints."""

    TYPE = "aws:ec2/vpcEndpoint:VpcEndpoint"
    REPLACE_ON = frozenset({"serviceName", "vpcEndpointType", "vpcId"})
    IN_PLACE = frozenset({"policy", "privateDnsEnabled", *_LISTS})
    DEFAULTS = MappingProxyType({"vpcEndpointType": "Gateway"})
    COMPUTED = (
        "arn",
        "dnsEntries",
        "networkInterfaceIds",
        "ownerId",
        "policy",
        "prefixListId",
        "privateDnsEnabled",
        "routeTableIds",
        "securityGroupIds",
        "state",
        "subnetIds",
    )
    JSON = frozenset({"policy"})
    DESCRIBE, ITEMS, ID = "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"
    KIND = "vpc-endpoint"

    def replaces(self, old: Properties, new: Properties, changes: Set[str]) -> Set[str]:
        """Only interface endpoints can be given a private name, or lose it."""
        interface = new.get("vpcEndpointType") == "Interface"
        return super().replaces(old, new, changes) | (
            set() if interface else changes & {"privateDnsEnabled"}
        )

    def create(self, inputs: Properties) -> str:
        optional: dict[str, Any] = {
            "PolicyDocument": inputs.get("policy"),
            "PrivateDnsEnabled": inputs.get("privateDnsEnabled"),
            **{name: inputs.get(key) for key, name in _LISTS.items()},
        }
        answer = self.client.create_vpc_endpoint(
            VpcId=inputs["vpcId"],
            ServiceName=inputs["serviceName"],
            VpcEndpointType=inputs["vpcEndpointType"],
            TagSpecifications=self.tagged(inputs),
            **{k: v for k, v in optional.items() if v is not None},
        )
        return str(answer["VpcEndpoint"]["VpcEndpointId"])

    def finish(self, known: Known) -> None:
        def available() -> bool | None:
            state = str((self.describe(known.id) or {}).get("State", "")).lower()
            if state in ("failed", "rejected"):
                raise CloudError(f"VPC endpoint {known.id} is {state}")
            return True if state in ("available", "pendingacceptance") else None

        self.aws.wait(f"VPC endpoint {known.id} becomes available", available, _SECONDS)

    def read(self, known: Known) -> Properties | None:
        item = self.describe(known.id)
        if item is None:
            return None
        return {
            "arn": self.arn(known.id),
            "vpcId": item["VpcId"],
            "serviceName": item["ServiceName"],
            "vpcEndpointType": item.get("VpcEndpointType", "Gateway"),
            "state": item.get("State"),
            "policy": item.get("PolicyDocument"),
            "privateDnsEnabled": item.get("PrivateDnsEnabled"),
            "routeTableIds": item.get("RouteTableIds", []),
            "subnetIds": item.get("SubnetIds", []),
            "securityGroupIds": [group["GroupId"] for group in item.get("Groups", [])],
            "networkInterfaceIds": item.get("NetworkInterfaceIds", []),
            "dnsEntries": [
                {"dnsName": entry.get("DnsName"), "hostedZoneId": entry.get("HostedZoneId")}
                for entry in item.get("DnsEntries", [])
            ],
            "ownerId": item.get("OwnerId", self.aws.account_id),
            "tags": self.tags(item),
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        changed: dict[str, Any] = {}
        if "policy" in changes:
            wanted = inputs.get("policy")
            changed |= {"PolicyDocument": wanted} if wanted else {"ResetPolicy": True}
        if "privateDnsEnabled" in changes:
            changed["PrivateDnsEnabled"] = bool(inputs.get("privateDnsEnabled"))
        for key, name in _LISTS.items():
            old, new = (set(side.get(key) or []) for side in (known.inputs, inputs))
            if key in changes and new - old:
                changed[f"Add{name}"] = sorted(new - old)
            if key in changes and old - new:
                changed[f"Remove{name}"] = sorted(old - new)
        if changed:
            self.client.modify_vpc_endpoint(VpcEndpointId=known.id, **changed)

    def delete(self, known: Known) -> None:
        self.client.delete_vpc_endpoints(VpcEndpointIds=[known.id])
        self.aws.wait(
            f"VPC endpoint {known.id} is deleted",
            lambda: True if self._read(known) is None else None,
            _SECONDS,
        )

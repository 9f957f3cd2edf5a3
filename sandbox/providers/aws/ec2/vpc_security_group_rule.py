"""aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule, and the same for egress."""

from collections.abc import Set
from typing import Any, ClassVar

from sandbox.providers.aws.ec2.base import Ec2Resource
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties

_PEERS = {
    "cidrIpv4": ("IpRanges", "CidrIp"),
    "cidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
    "prefixListId": ("PrefixListIds", "PrefixListId"),
    "referencedSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
}


class _Rule(Ec2Resource):
    """DescribeSecurityGroupRules, ModifySecurityGroupRules, and what the two below call."""

    REPLACE_ON = frozenset({"securityGroupId"})
    IN_PLACE = frozenset({"description", "fromPort", "ipProtocol", "toPort", *_PEERS})
    COMPUTED = ("arn", "securityGroupRuleId")
    DESCRIBE, ITEMS = "describe_security_group_rules", "SecurityGroupRules"
    ID, KIND = "SecurityGroupRuleId", "security-group-rule"

    WAY: ClassVar[str]
    """How the client's methods for this direction end."""

    def create(self, inputs: Properties) -> str:
        permission: dict[str, Any] = {"IpProtocol": inputs["ipProtocol"]}
        if inputs["ipProtocol"] != "-1":
            permission |= {"FromPort": inputs["fromPort"], "ToPort": inputs["toPort"]}
        for key, (group, name) in _PEERS.items():
            if inputs.get(key):
                peer = {name: inputs[key]}
                if inputs.get("description"):
                    peer["Description"] = inputs["description"]
                permission[group] = [peer]
        answer = getattr(self.client, f"authorize_{self.WAY}")(
            GroupId=inputs["securityGroupId"],
            IpPermissions=[permission],
            TagSpecifications=self.tagged(inputs),
        )
        return str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def read(self, known: Known) -> Properties | None:
        item = self.describe(known.id)
        if item is None:
            return None
        every = item["IpProtocol"] == "-1"
        return {
            "arn": self.arn(known.id),
            "securityGroupRuleId": known.id,
            "securityGroupId": item["GroupId"],
            "ipProtocol": item["IpProtocol"],
            "fromPort": None if every else item.get("FromPort"),
            "toPort": None if every else item.get("ToPort"),
            "cidrIpv4": item.get("CidrIpv4"),
            "cidrIpv6": item.get("CidrIpv6"),
            "prefixListId": item.get("PrefixListId"),
            "referencedSecurityGroupId": (item.get("ReferencedGroupInfo") or {}).get("GroupId"),
            "description": item.get("Description") or None,
            "tags": self.tags(item),
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if not changes:
            return
        wanted = {
            "IpProtocol": inputs["ipProtocol"],
            "FromPort": inputs.get("fromPort"),
            "ToPort": inputs.get("toPort"),
            "CidrIpv4": inputs.get("cidrIpv4"),
            "CidrIpv6": inputs.get("cidrIpv6"),
            "PrefixListId": inputs.get("prefixListId"),
            "ReferencedGroupId": inputs.get("referencedSecurityGroupId"),
            "Description": inputs.get("description"),
        }
        rule = {key: value for key, value in wanted.items() if value is not None}
        self.client.modify_security_group_rules(
            GroupId=inputs["securityGroupId"],
            SecurityGroupRules=[{"SecurityGroupRuleId": known.id, "SecurityGroupRule": rule}],
        )

    def delete(self, known: Known) -> None:
        item = self.describe(known.id)
        if item is not None:
            revoke = getattr(self.client, f"revoke_{self.WAY}")
            revoke(GroupId=item["GroupId"], SecurityGroupRuleIds=[known.id])


class SecurityGroupIngressRule(_Rule):
    """AuthorizeSecurityGroupIngress, RevokeSecurityGroupIngress."""

    TYPE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    WAY = "security_group_ingress"


class SecurityGroupEgressRule(_Rule):
    """AuthorizeSecurityGroupEgress, RevokeSecurityGroupEgress."""

    TYPE = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    WAY = "security_group_egress"

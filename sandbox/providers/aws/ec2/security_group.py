"""aws:ec2/securityGroup:SecurityGroup, with inline rules."""

from collections.abc import Set
from types import MappingProxyType
from typing import Any

from sandbox.providers.aws.ec2 import permissions
from sandbox.providers.aws.ec2.base import Ec2Resource
from sandbox.providers.aws.ec2.permissions import LISTED
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import UNKNOWN, Properties, Value, has_unknowns


class SecurityGroup(Ec2Resource):
    """CreateSecurityGroup, AuthorizeSecurityGroup{Ingress,Egress}, RevokeSecurityGroup
    {Ingress,Egress}, DescribeSecurityGroups, DeleteSecurityGroup.

    Like the real provider it takes away the rule that lets everything out, which AWS adds.
    """

    TYPE = "aws:ec2/securityGroup:SecurityGroup"
    REPLACE_ON = frozenset({"name", "description", "vpcId"})
    IN_PLACE = frozenset({"ingress", "egress", "revokeRulesOnDelete"})
    DEFAULTS = MappingProxyType({"description": "Managed by Pulumi", "revokeRulesOnDelete": False})
    COMPUTED = ("arn", "egress", "ingress", "vpcId")
    FIELDS = MappingProxyType({"description": "Description", "name": "GroupName", "vpcId": "VpcId"})
    NAME = "name"
    LONGEST_NAME = 255
    DESCRIBE, ITEMS, ID, KIND = (
        "describe_security_groups",
        "SecurityGroups",
        "GroupId",
        "security-group",
    )

    def create(self, inputs: Properties) -> str:
        optional = {"VpcId": inputs.get("vpcId")}
        answer = self.client.create_security_group(
            GroupName=inputs["name"],
            Description=inputs["description"],
            TagSpecifications=self.tagged(inputs),
            **{k: v for k, v in optional.items() if v},
        )
        return str(answer["GroupId"])

    def finish(self, known: Known) -> None:
        item = self.describe(known.id) or {}
        for direction, listed in LISTED.items():
            present = permissions.from_api(item.get(listed, []))
            wanted = known.inputs.get(direction)
            if wanted is not None:
                atoms = permissions.from_rules(wanted, known.id)
                permissions.send(self.client, "revoke", known.id, direction, present - atoms)
                permissions.send(self.client, "authorize", known.id, direction, atoms - present)
            elif direction == "egress" and not known.outputs:
                permissions.send(self.client, "revoke", known.id, direction, present)

    def details(self, known: Known, item: Any) -> Properties:
        return {
            direction: permissions.to_rules(permissions.from_api(item.get(listed, [])), known.id)
            for direction, listed in LISTED.items()
        }

    def same(self, key: str, one: Value, other: Value) -> bool:
        if key not in LISTED or has_unknowns([one, other]):
            return super().same(key, one, other) and one is not UNKNOWN
        # Rules that refer to their own group by id and by `self` are the same; the id is
        # not known here, and a program can not name it either.
        return permissions.from_rules(one or [], "") == permissions.from_rules(other or [], "")

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        """`finish`, which follows, sets the rules."""

    def delete(self, known: Known) -> None:
        if known.get("revokeRulesOnDelete"):
            item = self.describe(known.id) or {}
            for direction, listed in LISTED.items():
                present = permissions.from_api(item.get(listed, []))
                permissions.send(self.client, "revoke", known.id, direction, present)
        self.client.delete_security_group(GroupId=known.id)

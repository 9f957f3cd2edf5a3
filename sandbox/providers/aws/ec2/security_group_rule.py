"""aws:ec2/securityGroupRule:SecurityGroupRule."""

from collections.abc import Set
from types import MappingProxyType
from typing import Any

from sandbox.errors import CloudError
from sandbox.providers.aws.ec2 import permissions
from sandbox.providers.aws.ec2.permissions import Permission
from sandbox.providers.aws.resource import Known, Resource
from sandbox.wire.values import Properties

_PEERS = ("cidrBlocks", "ipv6CidrBlocks", "prefixListIds")


class SecurityGroupRule(Resource):
    """AuthorizeSecurityGroup{Ingress,Egress}, UpdateSecurityGroupRuleDescriptions{Ingress,
    Egress}, DescribeSecurityGroups, RevokeSecurityGroup{Ingress,Egress}.

    Id: GROUP_TYPE_PROTOCOL_FROM_TO_PEER[_PEER...], which is also what is imported.
    """

    TYPE = "aws:ec2/securityGroupRule:SecurityGroupRule"
    SERVICE = "ec2"
    REPLACE_ON = frozenset(
        {
            "fromPort",
            "protocol",
            "securityGroupId",
            "self",
            "sourceSecurityGroupId",
            "toPort",
            "type",
            *_PEERS,
        }
    )
    IN_PLACE = frozenset({"description"})
    DEFAULTS = MappingProxyType({"self": False})
    COMPUTED = ("securityGroupRuleId", "sourceSecurityGroupId")
    TAGGED = False

    def create(self, inputs: Properties) -> str:
        group = inputs["securityGroupId"]
        wanted = permissions.from_rules([inputs], group)
        if not wanted:
            raise CloudError(
                "A security group rule without a peer",
                "Give cidrBlocks, ipv6CidrBlocks, prefixListIds, sourceSecurityGroupId or self.",
            )
        permissions.send(self.client, "authorize", group, inputs["type"], wanted)
        return _id_of(inputs)

    def _present(self, inputs: Properties) -> set[Permission]:
        groups = self.client.describe_security_groups(GroupIds=[inputs["securityGroupId"]])
        listed = permissions.LISTED[inputs["type"]]
        return permissions.from_api(groups["SecurityGroups"][0].get(listed, []))

    def read(self, known: Known) -> Properties | None:
        asked = _parse(known.id)
        present = self._present(asked)
        plain = {_bare(atom): atom for atom in present}
        wanted = permissions.from_rules([asked], asked["securityGroupId"])
        found = [plain[_bare(atom)] for atom in wanted if _bare(atom) in plain]
        if not found:
            return None
        peers: dict[str, Any] = {}
        for atom in sorted(found):
            peers.setdefault(atom.kind, []).append(atom.peer)
        groups = peers.pop("securityGroups", [None])
        own = groups[0] == asked["securityGroupId"] and asked["self"]
        return {
            **{key: asked[key] for key in ("type", "protocol", "fromPort", "toPort")},
            "securityGroupId": asked["securityGroupId"],
            "self": own,
            "sourceSecurityGroupId": None if own else groups[0],
            **{key: peers.get(key) for key in _PEERS},
            "description": found[0].description or None,
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if "description" in changes:
            group = inputs["securityGroupId"]
            atoms = permissions.from_rules([inputs], group)
            permissions.send(self.client, "describe", group, inputs["type"], atoms)

    def delete(self, known: Known) -> None:
        asked = _parse(known.id)
        group = asked["securityGroupId"]
        wanted = {_bare(a) for a in permissions.from_rules([asked], group)}
        atoms = [atom for atom in self._present(asked) if _bare(atom) in wanted]
        permissions.send(self.client, "revoke", group, asked["type"], atoms)


def _bare(atom: Permission) -> Permission:
    """Without the description, which does not tell rules apart."""
    return Permission(atom.protocol, atom.from_port, atom.to_port, atom.kind, atom.peer)


def _id_of(inputs: Properties) -> str:
    atoms = sorted(permissions.from_rules([inputs], inputs["securityGroupId"]))
    peers = [
        "self" if inputs.get("self") and a.peer == inputs["securityGroupId"] else a.peer
        for a in atoms
    ]
    first = atoms[0]
    head = [inputs["securityGroupId"], inputs["type"], first.protocol]
    return "_".join([*head, str(first.from_port), str(first.to_port), *peers])


def _parse(rule_id: str) -> Properties:
    parts = rule_id.split("_")
    if len(parts) < 6:
        raise CloudError(
            f"Not the id of a security group rule: {rule_id}",
            "It must be GROUP_TYPE_PROTOCOL_FROM_TO_PEER[_PEER...].",
        )
    group, kind, protocol, start, end, *peers = parts
    return {
        "securityGroupId": group,
        "type": kind,
        "protocol": protocol,
        "fromPort": int(start),
        "toPort": int(end),
        "self": "self" in peers,
        "sourceSecurityGroupId": next((p for p in peers if p.startswith("sg-")), None),
        "prefixListIds": [p for p in peers if p.startswith("pl-")],
        "ipv6CidrBlocks": [p for p in peers if ":" in p],
        "cidrBlocks": [p for p in peers if "." in p and ":" not in p],
    }

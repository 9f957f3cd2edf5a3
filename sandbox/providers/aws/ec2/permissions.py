"""Security group rules taken apart to one peer each: how they can be compared and changed.

EC2 groups peers by protocol and ports, Pulumi's inline rules group them as the program
likes. One `Permission` is the atom of both.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.wire.values import Properties, Value

_PROTOCOLS = {"all": "-1", "6": "tcp", "17": "udp", "1": "icmp"}

# Pulumi's list of peers -> EC2's list, and the key of one peer in it.
_PEERS = {
    "cidrBlocks": ("IpRanges", "CidrIp"),
    "ipv6CidrBlocks": ("Ipv6Ranges", "CidrIpv6"),
    "prefixListIds": ("PrefixListIds", "PrefixListId"),
    "securityGroups": ("UserIdGroupPairs", "GroupId"),
}

_CALLS = {
    ("authorize", "ingress"): "authorize_security_group_ingress",
    ("authorize", "egress"): "authorize_security_group_egress",
    ("describe", "ingress"): "update_security_group_rule_descriptions_ingress",
    ("describe", "egress"): "update_security_group_rule_descriptions_egress",
    ("revoke", "ingress"): "revoke_security_group_ingress",
    ("revoke", "egress"): "revoke_security_group_egress",
}
"""The client's methods, by what is done with rules of which direction."""

LISTED = {"ingress": "IpPermissions", "egress": "IpPermissionsEgress"}
"""Where a described group has its rules, by their direction."""


@dataclass(frozen=True, order=True)
class Permission:
    """One protocol, one range of ports, one peer."""

    protocol: str
    from_port: int
    to_port: int
    kind: str
    """A key of _PEERS."""
    peer: str
    description: str = ""

    def to_api(self) -> dict[str, Any]:
        """As an IpPermission of Authorize and Revoke calls."""
        group, name = _PEERS[self.kind]
        peer = {name: self.peer}
        if self.description:
            peer["Description"] = self.description
        permission: dict[str, Any] = {"IpProtocol": self.protocol, group: [peer]}
        if self.protocol != "-1":
            permission |= {"FromPort": self.from_port, "ToPort": self.to_port}
        return permission


def send(client: Any, verb: str, group: str, direction: str, atoms: Collection[Permission]) -> None:
    """One call for all of `atoms`; none if there are none."""
    if atoms:
        call = getattr(client, _CALLS[verb, direction])
        call(GroupId=group, IpPermissions=[atom.to_api() for atom in sorted(atoms)])


def from_rules(rules: Iterable[Mapping[str, Value]], group_id: str) -> set[Permission]:
    """Inline rules, or the arguments of a SecurityGroupRule, taken apart."""
    return {permission for rule in rules for permission in _from_rule(rule, group_id)}


def _from_rule(rule: Mapping[str, Value], group_id: str) -> Iterator[Permission]:
    protocol = str(rule["protocol"]).lower()
    protocol = _PROTOCOLS.get(protocol, protocol)
    every = protocol == "-1"
    start = 0 if every else int(rule.get("fromPort") or 0)
    end = 0 if every else int(rule.get("toPort") or 0)
    peers = {kind: list(rule.get(kind) or []) for kind in _PEERS}
    if rule.get("self"):
        peers["securityGroups"].append(group_id)
    if rule.get("sourceSecurityGroupId"):
        peers["securityGroups"].append(rule["sourceSecurityGroupId"])
    for kind, values in peers.items():
        for peer in values:
            yield Permission(protocol, start, end, kind, peer, rule.get("description") or "")


def from_api(permissions: Iterable[Mapping[str, Any]]) -> set[Permission]:
    """The IpPermissions of a described group, taken apart."""
    found = set()
    for item in permissions:
        protocol = item["IpProtocol"]
        every = protocol == "-1"
        for kind, (group, name) in _PEERS.items():
            for peer in item.get(group) or ():
                found.add(
                    Permission(
                        protocol,
                        0 if every else item.get("FromPort", 0),
                        0 if every else item.get("ToPort", 0),
                        kind,
                        peer[name],
                        peer.get("Description") or "",
                    )
                )
    return found


def to_rules(permissions: Iterable[Permission], group_id: str) -> list[Properties]:
    """Atoms as inline rules, grouped as the real provider groups them."""
    rules: dict[tuple[str, int, int, str], Properties] = {}
    for one in sorted(permissions):
        key = (one.protocol, one.from_port, one.to_port, one.description)
        rule = rules.setdefault(
            key,
            {
                "protocol": one.protocol,
                "fromPort": one.from_port,
                "toPort": one.to_port,
                "description": one.description,
                "self": False,
            },
        )
        if one.kind == "securityGroups" and one.peer == group_id:
            rule["self"] = True
        else:
            rule.setdefault(one.kind, []).append(one.peer)
    return list(rules.values())

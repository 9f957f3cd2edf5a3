"""The NetworkPolicy controller, in place of the VPC CNI's on EKS: `python -m sandbox.cluster.policies INSTANCE.json`.

All pods are on one node and reach one another through it, so one table of nftables in the sandbox's
network namespace is enough. `ruleset` says what is in it; whatever changes, all of it is replaced at
once. As on EKS, a pod that is younger than the change is not held for it; nothing gets into a pod that
a policy covers before its peer is known.

The node's own processes reach every pod, as Kubernetes wants it: the kubelet's probes must.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sandbox.cluster import watching
from sandbox.cluster.api import Api
from sandbox.cluster.record import load_instance
from sandbox.errors import EngineBug
from sandbox.instance import API_PORT, AWS_PORT, DNS_ADDRESS
from sandbox.layout import Layout
from sandbox.process import Process

NAME = "network-policies"
TABLE = "inet aerodrome-policies"
_PODS = "/api/v1/pods"
_SPACES = "/api/v1/namespaces"
_POLICIES = "/apis/networking.k8s.io/v1/networkpolicies"

STAND_INS = {443: (443, API_PORT, AWS_PORT)}
"""What answers on another port here than where it is on AWS."""

_SYSTEM = {"kubernetes.io/metadata.name": "kube-system"}
"""The namespace whose DNS pods are a process of the node here."""

Object = dict[str, Any]


def process(layout: Layout) -> Process:
    argv = [sys.executable, "-m", __name__, str(layout.instance_file)]
    return Process(NAME, argv, after=("kube-apiserver",))


def ruleset(pods: Sequence[Object], spaces: Sequence[Object], policies: Sequence[Object]) -> str:
    """The table, as nft reads it; in place of the one that is there."""
    cluster = _Cluster(pods, spaces)
    chains: dict[tuple[str, str], list[str]] = {}
    for policy in policies:
        for way in policy["spec"]["policyTypes"]:
            for pod in cluster.selected(policy):
                allowed = chains.setdefault((way, pod["status"]["podIP"]), [])
                for rule in policy["spec"].get(way.lower()) or []:
                    allowed.extend(cluster.allowed(way, rule, pod))
    return "\n".join(_lines(chains)) + "\n"


def _lines(chains: dict[tuple[str, str], list[str]]) -> Iterator[str]:
    yield f"add table {TABLE}"
    yield f"delete table {TABLE}"
    yield f"table {TABLE} {{"
    for (way, address), allowed in sorted(chains.items()):
        yield f"  chain {_chain(way, address)} {{"
        yield from (f"    {words} return".replace("   return", " return") for words in allowed)
        yield "    reject with icmpx admin-prohibited"
        yield "  }"
    # What is for another pod is forwarded, what is for a process of the node comes in.
    for hook, ways in (("forward", ("Egress", "Ingress")), ("input", ("Egress",))):
        yield f"  chain {hook} {{"
        yield f"    type filter hook {hook} priority filter; policy accept;"
        yield "    ct state established,related accept"
        for way in ways:
            jumps = [f"{ip} : jump {_chain(way, ip)}" for each, ip in sorted(chains) if each == way]
            if jumps:
                end = "saddr" if way == "Egress" else "daddr"
                yield f"    ip {end} vmap {{ {', '.join(jumps)} }}"
        yield "  }"
    yield "}"


def _chain(way: str, address: str) -> str:
    return f"{way.lower()}-{address.replace('.', '-')}"


class _Cluster:
    """The pods that have an address of their own, and where they are."""

    def __init__(self, pods: Sequence[Object], spaces: Sequence[Object]) -> None:
        # The address of a pod that has ended may be another's by now.
        self._pods = [
            pod
            for pod in pods
            if pod["status"].get("podIP")
            and pod["status"].get("phase") in ("Pending", "Running")
            and not pod["spec"].get("hostNetwork")
        ]
        self._spaces = {item["metadata"]["name"]: _labels(item) for item in spaces}

    def selected(self, policy: Object) -> list[Object]:
        """The pods that a policy is about."""
        peer = {"podSelector": policy["spec"].get("podSelector", {})}
        return self._meant(peer, policy["metadata"]["namespace"])

    def _meant(self, peer: Object, home: str) -> list[Object]:
        """The pods that a peer of a rule is, in the namespace `home` if it names none."""
        found = []
        for pod in self._pods:
            name = pod["metadata"]["namespace"]
            spaces = peer.get("namespaceSelector")
            near = name == home if spaces is None else _fits(spaces, self._spaces.get(name, {}))
            if near and _fits(peer.get("podSelector") or {}, _labels(pod)):
                found.append(pod)
        return found

    def allowed(self, way: str, rule: Object, pod: Object) -> Iterator[str]:
        """The traffic to or from `pod` that a rule allows, as nftables matches."""
        peers = rule.get("from" if way == "Ingress" else "to") or []
        meant = [(peer, self._meant(peer, pod["metadata"]["namespace"])) for peer in peers]
        servers = [pod] if way == "Ingress" else [each for _, found in meant for each in found]
        ports = list(_ports(rule.get("ports") or [], servers or self._pods))
        if rule.get("ports") and not ports:
            return
        end = "saddr" if way == "Ingress" else "daddr"
        for address in self._addresses(meant, end) if peers else [""]:
            for port in ports or [""]:
                yield f"{address} {port}".strip()

    def _addresses(self, meant: list[tuple[Object, list[Object]]], end: str) -> Iterator[str]:
        single = []
        for peer, found in meant:
            if "ipBlock" in peer:
                but = ", ".join(peer["ipBlock"].get("except") or [])
                without = f" ip {end} != {{ {but} }}" if but else ""
                yield f"ip {end} {peer['ipBlock']['cidr']}{without}"
                continue
            single += [each["status"]["podIP"] for each in found]
            if "namespaceSelector" in peer and _fits(peer["namespaceSelector"], _SYSTEM):
                single.append(DNS_ADDRESS)
        if single:
            yield f"ip {end} {{ {', '.join(sorted(set(single)))} }}"


def _ports(ports: Sequence[Object], servers: Sequence[Object]) -> Iterator[str]:
    for item in ports:
        protocol, port = item.get("protocol", "TCP").lower(), item.get("port")
        if port is None:
            yield f"meta l4proto {protocol}"
        elif "endPort" in item:
            yield f"{protocol} dport {port}-{item['endPort']}"
        else:
            numbers = (
                _named(port, servers) if isinstance(port, str) else STAND_INS.get(port, (port,))
            )
            for number in numbers:
                yield f"{protocol} dport {number}"


def _named(name: str, servers: Sequence[Object]) -> list[int]:
    containers = [item for pod in servers for item in pod["spec"]["containers"]]
    ports = [port for container in containers for port in container.get("ports", [])]
    return sorted({port["containerPort"] for port in ports if port.get("name") == name})


def _labels(item: Object) -> dict[str, str]:
    found: dict[str, str] = item["metadata"].get("labels") or {}
    return found


def _fits(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector selects what carries `labels`."""
    wanted = (selector.get("matchLabels") or {}).items()
    if any(labels.get(key) != value for key, value in wanted):
        return False
    return all(_holds(item, labels) for item in selector.get("matchExpressions") or [])


def _holds(expression: Object, labels: dict[str, str]) -> bool:
    has = expression["key"] in labels
    value, values = labels.get(expression["key"]), expression.get("values") or []
    match expression["operator"]:
        case "In":
            return has and value in values
        case "NotIn":
            return not has or value not in values
        case "Exists":
            return has
        case _:
            return not has


def main() -> None:
    instance = load_instance(Path(sys.argv[1]))
    if instance is None:
        raise EngineBug(f"{sys.argv[1]} holds no instance")
    last = ""

    def enforce(found: list[list[Object]]) -> None:
        nonlocal last
        pods, spaces, policies = found
        text = ruleset(pods, spaces, policies)
        if text == last:
            return
        done = subprocess.run(
            ["nft", "--file", "-"], input=text, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise OSError(f"nft: {done.stderr.strip()}")
        last = text
        sys.stderr.write(json.dumps({"policies": len(policies), "pods": len(pods)}) + "\n")

    api = Api(Layout(instance).kubeconfig(NAME))
    watching.forever(api, (_PODS, _SPACES, _POLICIES), enforce)


if __name__ == "__main__":
    main()

"""NetworkPolicies as a table of nftables: what it says, and that the kernel acts on it."""

import subprocess
from pathlib import Path
from typing import Any

from sandbox.cluster.policies import ruleset

ANY: dict[str, Any] = {}
SYSTEM = {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}


def space(name: str, **labels: str) -> dict[str, Any]:
    own = {"kubernetes.io/metadata.name": name}
    return {"metadata": {"name": name, "labels": own | labels}}


SPACES = [space("a", team="red"), space("b", team="blue"), space("kube-system")]


def pod(namespace: str, address: str, role: str, **status: str) -> dict[str, Any]:
    port = {"name": "http", "containerPort": 8080}
    return {
        "metadata": {"namespace": namespace, "labels": {"role": role}},
        "spec": {"containers": [{"ports": [port]}]},
        "status": {"podIP": address, "phase": "Running"} | status,
    }


WEB, TASK, OTHER = (
    pod("a", "10.244.0.2", "web"),
    pod("a", "10.244.0.3", "task"),
    pod("b", "10.244.0.4", "task"),
)


def policy(namespace: str, role: str = "", **rules: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": namespace},
        "spec": {
            "podSelector": {"matchLabels": {"role": role}} if role else {},
            "policyTypes": [way.capitalize() for way in rules],
            **rules,
        },
    }


def chain(text: str, name: str) -> list[str]:
    """The lines of a chain, without the end that all have."""
    inside = text.split(f"chain {name} {{\n")[1].split("  }\n")[0]
    *lines, last = [line.strip() for line in inside.splitlines()]
    assert last == "reject with icmpx admin-prohibited"
    return lines


def told(*policies: dict[str, Any], pods: Any = (WEB, TASK, OTHER)) -> str:
    return ruleset(pods, SPACES, policies)


def test_pods_of_no_policy_are_left_alone() -> None:
    assert "jump" not in told()
    text = told(policy("a", "web", ingress=[]))
    assert "10.244.0.3" not in text
    assert "ip saddr vmap" not in text
    assert "ip daddr vmap { 10.244.0.2 : jump ingress-10-244-0-2 }" in text


def test_what_no_rule_names_is_refused() -> None:
    assert chain(told(policy("a", "web", ingress=[])), "ingress-10-244-0-2") == []


def test_several_policies_allow_what_any_of_them_does() -> None:
    closed = policy("a", ingress=[])
    text = told(closed, policy("a", "web", ingress=[{"ports": [{"port": "http"}]}]))
    assert chain(text, "ingress-10-244-0-2") == ["tcp dport 8080 return"]
    assert chain(text, "ingress-10-244-0-3") == []


def test_a_peer_is_of_the_policy_s_own_namespace_unless_it_names_others() -> None:
    tasks = {"podSelector": {"matchLabels": {"role": "task"}}}
    near = told(policy("a", "web", ingress=[{"from": [tasks]}]))
    assert chain(near, "ingress-10-244-0-2") == ["ip saddr { 10.244.0.3 } return"]
    blue = tasks | {"namespaceSelector": {"matchLabels": {"team": "blue"}}}
    far = told(policy("a", "web", ingress=[{"from": [blue], "ports": [{"port": 53}]}]))
    assert chain(far, "ingress-10-244-0-2") == ["ip saddr { 10.244.0.4 } tcp dport 53 return"]


def test_a_peer_that_nobody_is_lets_nobody_in() -> None:
    nobody = {"podSelector": {"matchLabels": {"role": "nobody"}}}
    text = told(policy("a", "web", ingress=[{"from": [nobody]}]))
    assert chain(text, "ingress-10-244-0-2") == []


def test_ways_out_that_the_branches_have() -> None:
    port = {"protocol": "UDP", "port": 53}
    ways = [
        {"to": [{"podSelector": ANY}]},
        {"to": [{"namespaceSelector": SYSTEM}], "ports": [port]},
        {"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]},
        {"ports": [{"port": 443}]},
    ]
    assert chain(told(policy("a", egress=ways)), "egress-10-244-0-2") == [
        "ip daddr { 10.244.0.2, 10.244.0.3 } return",
        # DNS is a process of the node, on the pods' gateway.
        "ip daddr { 10.244.0.1 } udp dport 53 return",
        "ip daddr 10.0.0.0/8 ip daddr != { 10.1.0.0/16 } return",
        # Kubernetes and AWS answer elsewhere here.
        "tcp dport 443 return",
        "tcp dport 6443 return",
        "tcp dport 4566 return",
    ]


def test_selectors_with_expressions() -> None:
    def selected(operator: str, *values: str) -> bool:
        wanted = {"key": "role", "operator": operator, "values": list(values)}
        peer = {"podSelector": {"matchExpressions": [wanted]}}
        text = told(policy("a", "web", ingress=[{"from": [peer]}]))
        return "10.244.0.3" in "".join(chain(text, "ingress-10-244-0-2"))

    assert selected("In", "task", "x")
    assert not selected("In", "x")
    assert selected("NotIn", "x")
    assert not selected("NotIn", "task")
    assert selected("Exists")
    assert not selected("DoesNotExist")


def test_the_address_of_a_pod_that_has_ended_may_be_another_s() -> None:
    ended = pod("a", "10.244.0.3", "task", phase="Succeeded")
    text = told(policy("a", ingress=[]), pods=[WEB, ended])
    assert "10.244.0.3" not in text


TRIES = """
import socket, subprocess, sys
for address in ("10.244.0.1", "10.244.0.2", "10.244.0.3", "10.213.0.2"):
    subprocess.run(["ip", "address", "add", address + "/32", "dev", "lo"], check=True)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
for _ in range(2):
    subprocess.run(["nft", "--file", sys.argv[1]], check=True)
servers = [socket.create_server(("", port)) for port in (443, 5000)]
for source in ("10.244.0.2", "10.244.0.3"):
    for port in (443, 5000):
        try:
            socket.create_connection(("10.213.0.2", port), 5, (source, 0)).close()
            print(source, port, "open")
        except OSError:
            print(source, port, "refused")
"""


def test_the_kernel_holds_a_pod_to_its_ways_out(tmp_path: Path) -> None:
    table = tmp_path / "table.nft"
    table.write_text(told(policy("a", "web", egress=[{"ports": [{"port": 443}]}])))
    done = subprocess.run(
        ["unshare", "--net", "python3", "-c", TRIES, table],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "10.244.0.2 443 open",
        "10.244.0.2 5000 refused",
        "10.244.0.3 443 open",
        "10.244.0.3 5000 open",
    ], done.stderr

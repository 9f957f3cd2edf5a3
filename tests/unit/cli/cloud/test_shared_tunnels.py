"""Which clusters a way is made to, and that environments in one cluster share it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from cli.cloud.kubernetes import Kubernetes
from cli.cloud.tunnel.tunnels import Tunnels
from sandbox import tools
from tests.unit.cli.cloud.test_tunnel import Setting, ask, setting

__all__ = ["setting"]


@pytest.mark.parametrize(
    "server", ["https://127.0.0.1:6443", "https://192.0.2.7", "https://8.8.8.8"]
)
def test_eks_is_asked_about_addresses_of_a_vpc_alone(setting: Setting, server: str) -> None:
    content = json.loads(setting.kubeconfig)
    content["clusters"][0]["cluster"]["server"] = server
    text = json.dumps(content)
    changed = setting.way.kubeconfig(text)
    # No address of the internet's, and so perhaps one of a VPC's.
    assert (changed == text) is ("192.0.2.7" not in server)
    setting.configured = True
    other = replace(setting.way, tunnels=Tunnels(setting.reports.append, setting.environ))
    try:
        assert "proxy-url" in other.kubeconfig(text)
    finally:
        other.tunnels.close()


def test_environments_of_one_cluster_share_the_way_to_it(setting: Setting) -> None:
    content = json.loads(setting.kubeconfig)
    words = ["eks", "get-token", "--cluster-name", "aerodrome-prod", "--region", "us-east-1"]
    content["users"].append({"name": "aws", "user": {"exec": {"command": "aws", "args": words}}})
    text = json.dumps(content)
    asked: list[str] = []
    describe = setting.aws.describe_cluster

    def described(name: str) -> dict[str, Any]:
        asked.append(name)
        return describe(name)

    setting.aws.describe_cluster = described  # type: ignore[method-assign]
    ways = [replace(setting.way, environment=f"prod-branch-{number}") for number in range(5)]
    found = {way.kubeconfig(text) for way in ways}
    (changed,) = found
    assert "proxy-url" in changed
    # Of the cluster that the kubeconfig names, and of no branch's.
    assert asked == ["aerodrome-prod"]
    assert ask(Kubernetes(changed, "default", tools.tool("kubectl"))) == "default"

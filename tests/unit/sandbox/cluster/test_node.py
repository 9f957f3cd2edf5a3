"""The configuration of containerd, the kubelet and kube-proxy."""

import json
import tomllib
from pathlib import Path

import pytest

from sandbox.cluster import node
from sandbox.layout import Layout


@pytest.fixture
def written(layout: Layout, fake_tools: Path) -> Path:
    node.write_files(layout)
    return layout.config


def test_containerd_asks_the_sandboxs_registry_for_every_image(written: Path) -> None:
    config = tomllib.loads((written / "containerd.toml").read_text())
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    hosts = Path(cri["registry"]["config_path"]) / "_default" / "hosts.toml"
    assert tomllib.loads(hosts.read_text())["server"] == "http://127.0.0.1:5000"


def test_containerd_lowers_no_oom_score(written: Path) -> None:
    config = tomllib.loads((written / "containerd.toml").read_text())
    assert config["oom_score"] == 0
    assert config["plugins"]["io.containerd.grpc.v1.cri"]["restrict_oom_score_adj"] is True


def test_the_kubelet_keeps_to_the_sandboxs_cgroup(written: Path) -> None:
    config = json.loads((written / "kubelet.json").read_text())
    assert config["cgroupRoot"] == "/aerodrome-trial"
    assert config["authentication"]["anonymous"] == {"enabled": False}


def test_the_proxy_leaves_the_machines_connection_tracking_alone(written: Path) -> None:
    config = json.loads((written / "kube-proxy.json").read_text())
    assert config["mode"] == "nftables"
    assert config["conntrack"]["maxPerCore"] == 0
    assert config["nodePortAddresses"] == ["10.213.5.2/32"]


def test_pods_are_routed_through_the_node(written: Path) -> None:
    config = json.loads((written / "cni" / "10-aerodrome.conflist").read_text())
    assert [plugin["type"] for plugin in config["plugins"]] == ["ptp", "portmap"]
    assert config["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "10.244.0.0/24"}]]


def test_dns_answers_for_the_cluster_alone(written: Path) -> None:
    corefile = (written / "Corefile").read_text()
    assert "bind 10.244.0.1" in corefile
    assert "forward" not in corefile

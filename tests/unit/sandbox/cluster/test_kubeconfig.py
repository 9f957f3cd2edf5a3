"""Kubeconfigs for the host and for the node's own programs."""

import base64
import json

import yaml

from sandbox.cluster import kubeconfig, pki
from sandbox.layout import Layout


def test_the_administrators_leads_to_the_node_and_is_for_root_alone(layout: Layout) -> None:
    pki.ensure(layout)
    kubeconfig.write_all(layout)
    path = layout.instance.admin_kubeconfig
    content = yaml.safe_load(path.read_text())
    assert content["clusters"][0]["cluster"]["server"] == "https://10.213.5.2:6443"
    assert content["current-context"] == content["contexts"][0]["name"] == "aerodrome-trial"
    assert path.stat().st_mode & 0o777 == 0o600


def test_programs_on_the_node_use_loopback_and_their_own_certificate(layout: Layout) -> None:
    pki.ensure(layout)
    kubeconfig.write_all(layout)
    content = json.loads(layout.kubeconfig("kubelet").read_text())
    assert content["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"
    certificate = content["users"][0]["user"]["client-certificate-data"]
    assert base64.b64decode(certificate) == layout.certificate("kubelet").read_bytes()

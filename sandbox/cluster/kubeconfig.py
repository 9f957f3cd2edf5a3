"""Kubeconfigs of the sandbox's own programs and of its administrator."""

import base64
from pathlib import Path
from typing import Any

from sandbox import files
from sandbox.instance import API_PORT
from sandbox.layout import Layout

LOCAL_API = f"https://127.0.0.1:{API_PORT}"

_NODE_USERS = (
    "controller-manager",
    "scheduler",
    "kubelet",
    "proxy",
    "coredns",
    "provisioner",
    "pod-identity",
    "network-policies",
)


def write_all(layout: Layout) -> None:
    """One for each program on the node, and the administrator's for use from the host."""
    for user in _NODE_USERS:
        _write(layout.kubeconfig(user), _kubeconfig(layout, user, LOCAL_API))
    admin = _kubeconfig(layout, "admin", layout.instance.api_url)
    _write(layout.instance.admin_kubeconfig, admin)


def _kubeconfig(layout: Layout, user: str, server: str) -> dict[str, Any]:
    name = layout.node_name
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {
                    "server": server,
                    "certificate-authority-data": _encoded(layout.certificate("ca")),
                },
            }
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": _encoded(layout.certificate(user)),
                    "client-key-data": _encoded(layout.key(user)),
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    files.write_json(path, content, mode=0o600)


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()

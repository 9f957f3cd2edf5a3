"""The Rancher server's first boot, as a cloud-init file. Pure.

It installs k3s and leaves two charts for k3s to install: cert-manager and Rancher. Versions are pinned:
a server that is made again next month must be the same server. There is no password in it: user data can
be read by whoever may describe the instance, so Rancher makes one up and keeps it in its own cluster.
"""

import json
from typing import Any

from infra.contract.versions import PINNED

_MANIFESTS = "/var/lib/rancher/k3s/server/manifests"
_INSTALLER = "/usr/local/sbin/install-k3s"


def user_data(hostname: str, lets_encrypt_email: str = "") -> str:
    """The cloud-init file. JSON, which is YAML too, so that no value needs quoting."""
    config = {
        "package_update": True,
        "write_files": [
            _file(
                "/etc/rancher/k3s/config.yaml",
                {
                    "tls-san": [hostname],
                    "write-kubeconfig-mode": "0600",
                    "secrets-encryption": True,
                },
            ),
            _file(f"{_MANIFESTS}/cert-manager.yaml", _cert_manager()),
            _file(f"{_MANIFESTS}/rancher.yaml", _rancher(hostname, lets_encrypt_email)),
        ],
        "runcmd": [
            # Into a file first: a download that breaks off must not run half a script.
            ["curl", "-fsSL", "--retry", "5", "-o", _INSTALLER, "https://get.k3s.io"],
            [
                "env",
                f"INSTALL_K3S_VERSION={PINNED.k3s}",
                # Amazon Linux only warns (permissive), and k3s's policy package is not in its repositories.
                "INSTALL_K3S_SKIP_SELINUX_RPM=true",
                "sh",
                _INSTALLER,
            ],
        ],
    }
    return "#cloud-config\n" + json.dumps(config, indent=2) + "\n"


def _cert_manager() -> dict[str, Any]:
    return _helm_chart(
        "cert-manager",
        repo="https://charts.jetstack.io",
        version=PINNED.cert_manager,
        namespace="cert-manager",
        values={"crds": {"enabled": True}},
    )


def _rancher(hostname: str, lets_encrypt_email: str) -> dict[str, Any]:
    # The ingress controller that is to answer Let's Encrypt's question: the one that k3s brings.
    vouched = {
        "ingress": {"tls": {"source": "letsEncrypt"}},
        "letsEncrypt": {"email": lets_encrypt_email, "ingress": {"class": "traefik"}},
    }
    return _helm_chart(
        "rancher",
        repo="https://releases.rancher.com/server-charts/stable",
        version=PINNED.rancher,
        namespace="cattle-system",
        # One node runs one copy.
        values={"hostname": hostname, "replicas": 1, **(vouched if lets_encrypt_email else {})},
    )


def _helm_chart(
    chart: str, *, repo: str, version: str, namespace: str, values: dict[str, Any]
) -> dict[str, Any]:
    """k3s's own resource for "install this chart"."""
    return {
        "apiVersion": "helm.cattle.io/v1",
        "kind": "HelmChart",
        "metadata": {"name": chart, "namespace": "kube-system"},
        "spec": {
            "chart": chart,
            "repo": repo,
            "version": version,
            "targetNamespace": namespace,
            "createNamespace": True,
            "valuesContent": json.dumps(values),
        },
    }


def _file(path: str, content: dict[str, Any]) -> dict[str, str]:
    return {
        "path": path,
        "owner": "root:root",
        "permissions": "0600",
        "content": json.dumps(content, indent=2),
    }

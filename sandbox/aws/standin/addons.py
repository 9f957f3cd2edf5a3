"""The EKS add-ons that can be named here.

The sandbox runs what they stand for itself (its own CNI, CoreDNS, kube-proxy, Pod Identity
agent and volume provisioner), so an add-on is only a record. Versions have EKS's form and are
the sandbox's own: programs should ask DescribeAddonVersions, as on AWS, and not write them down.
"""

import re
from typing import Any

from sandbox.aws.standin import emulator
from sandbox.aws.standin.call import Call, json_answer
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.internals import records
from sandbox.instance import KUBERNETES_VERSION

KUBE_PROXY = "kube-proxy"
"""Its version is that of Kubernetes; the others here fit every version that EKS offers."""

VERSIONS = {
    "aws-ebs-csi-driver": ("storage", "v1.56.0-eksbuild.1"),
    "amazon-cloudwatch-observability": ("observability", "v5.2.0-eksbuild.1"),
    "coredns": ("networking", "v1.13.2-eksbuild.1"),
    "eks-pod-identity-agent": ("security", "v1.3.10-eksbuild.2"),
    KUBE_PROXY: ("networking", "v{}.0-eksbuild.1"),
    "metrics-server": ("observability", "v0.8.1-eksbuild.1"),
    "vpc-cni": ("networking", "v1.21.1-eksbuild.3"),
}


def supported_versions(call: Call) -> Answer:
    """DescribeAddonVersions: one version of each add-on, for the Kubernetes version asked for."""
    name = call.query.get("addonName", [""])[0]
    kubernetes = call.query.get("kubernetesVersion", [KUBERNETES_VERSION])[0]
    if name and name not in VERSIONS:
        return json_answer({"addons": []})
    return json_answer(
        {"addons": [_described(key, kubernetes) for key in VERSIONS if name in ("", key)]}
    )


def _described(name: str, kubernetes: str) -> dict[str, Any]:
    kind, version = VERSIONS[name][0], _version(name, kubernetes)
    compatibility = {
        "clusterVersion": kubernetes,
        "platformVersions": ["*"],
        "defaultVersion": True,
    }
    return {
        "addonName": name,
        "type": kind,
        "owner": "aws",
        "publisher": "eks",
        "addonVersions": [
            {
                "addonVersion": version,
                "architecture": ["amd64", "arm64"],
                "compatibilities": [compatibility],
                "requiresConfiguration": False,
                "requiresIamPermissions": False,
            }
        ],
    }


def new(call: Call, found: re.Match[str]) -> Call | Answer:
    """CreateAddon: a known add-on, and its default version if none is named."""
    return _checked(call, found[1], str(call.json().get("addonName", "")))


def changed(call: Call, found: re.Match[str]) -> Call | Answer:
    """UpdateAddon."""
    return _checked(call, found[1], found[2])


def _version(name: str, kubernetes: str) -> str:
    return VERSIONS[name][1].format(kubernetes)


def _checked(call: Call, cluster: str, name: str) -> Call | Answer:
    if name not in VERSIONS:
        return emulator.error(
            "InvalidParameterException", f"Addon {name} specified is not supported"
        )
    body = call.json()
    known = records("eks").clusters.get(cluster, {})
    version = _version(name, str(known.get("version", KUBERNETES_VERSION)))
    if body.setdefault("addonVersion", version) != version:
        return emulator.error(
            "InvalidParameterException",
            f"Addon version specified is not supported: {body['addonVersion']}, only {version} is",
        )
    return call.with_json(body)

"""The kubeconfig of a cluster: tokens come from `aws eks get-token`. Pure."""

import json
from typing import Any


def kubeconfig(
    cluster: dict[str, Any], *, profile: str | None = None, role_arn: str | None = None
) -> dict[str, Any]:
    """`cluster` are the outputs of aws:eks/cluster:Cluster."""
    region = cluster["arn"].split(":")[3]
    arguments = ["--region", region, "eks", "get-token", "--cluster-name", cluster["name"]]
    arguments += ["--output", "json"]
    if role_arn:
        arguments += ["--role-arn", role_arn]
    environment = [{"name": "KUBERNETES_EXEC_INFO", "value": _EXEC_INFO}]
    if profile:
        environment.append({"name": "AWS_PROFILE", "value": profile})
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "kubernetes",
                "cluster": {
                    "server": cluster["endpoint"],
                    "certificate-authority-data": cluster["certificateAuthority"]["data"],
                },
            }
        ],
        "contexts": [{"name": "aws", "context": {"cluster": "kubernetes", "user": "aws"}}],
        "current-context": "aws",
        "users": [
            {
                "name": "aws",
                "user": {
                    "exec": {
                        "apiVersion": "client.authentication.k8s.io/v1beta1",
                        "command": "aws",
                        "args": arguments,
                        "env": environment,
                    }
                },
            }
        ],
    }


_EXEC_INFO = json.dumps({"apiVersion": "client.authentication.k8s.io/v1beta1"})

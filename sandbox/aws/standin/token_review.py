"""TokenReview of EKS tokens: who of IAM is who in Kubernetes.

The kube-apiserver posts here every bearer token that it does not know itself. One Kubernetes
serves all clusters of the emulator, and the cluster's name is signed into the token without
being in it, so each cluster is tried. Kubernetes' RBAC stands in for EKS's own authorizer: an
access policy becomes a group, which `sandbox.aws.access_policies` binds to a role.
"""

import json
from typing import Any

from sandbox.aws import access_policies
from sandbox.aws.standin import emulator


def answer(body: bytes) -> dict[str, Any]:
    """The TokenReview with its status; unauthenticated whatever is wrong with it."""
    try:
        review = json.loads(body)
        token = review["spec"]["token"]
    except (ValueError, KeyError, TypeError):
        review, token = {}, ""
    with emulator.scope():
        user = _user(token) if isinstance(token, str) else None
    return {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "status": {"authenticated": True, "user": user} if user else {"authenticated": False},
    }


def _user(token: str) -> dict[str, Any] | None:
    for cluster in emulator.service("eks")._clusters:
        principal = emulator.verify_eks_token(token, cluster)
        if principal is None:
            continue
        entry = emulator.access_entry(cluster, principal.arn)
        if entry is None:
            return None
        return {
            "username": entry.get("username") or principal.arn,
            "uid": principal.unique_id,
            "groups": [*entry.get("kubernetesGroups", []), *_policy_groups(cluster, entry)],
            "extra": {"arn": [principal.arn], "clusterName": [cluster]},
        }
    return None


def _policy_groups(cluster: str, entry: dict[str, Any]) -> list[str]:
    associated = emulator.service("eks")._access_policies
    prefix = f"{cluster}\x00{entry['principalArn']}\x00{access_policies.POLICY_ARN}"
    return [
        access_policies.group(policy)
        for policy in access_policies.ROLES
        if prefix + policy in associated
    ]

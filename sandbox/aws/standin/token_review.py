"""TokenReview of EKS tokens: the Kubernetes user of an IAM principal.

The kube-apiserver posts here every bearer token that it does not know itself. One Kubernetes
serves all clusters of the emulator, and the cluster's name is signed into the token without
being in it, so each cluster is tried. Kubernetes' RBAC stands in for EKS's own authorizer: an
access policy becomes a group, which `sandbox.aws.access_policies` binds to a role.
"""

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.aws import access_policies
from sandbox.aws.standin import emulator, internals
from sandbox.aws.standin.internals import records
from sandbox.aws.standin.kubernetes import Unreachable, apply_role_binding

log = logging.getLogger("aerodrome.aws")

Grant = tuple[str, str]
"""An access policy's name, and the namespace it is for; empty for all of them."""


async def answer(body: bytes, kubeconfig: Path) -> dict[str, Any]:
    """The TokenReview with its status; unauthenticated whatever is wrong with it."""
    try:
        token = json.loads(body)["spec"]["token"]
    except (ValueError, KeyError, TypeError):
        token = ""
    with emulator.scope():
        found = _entry_of(token) if isinstance(token, str) else None
        grants = list(_grants(found[0])) if found else []
    for policy, namespace in grants:
        if namespace:
            await asyncio.to_thread(_let_in, policy, namespace, kubeconfig)
    user = _user(*found, grants) if found else None
    return {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "status": {"authenticated": True, "user": user} if user else {"authenticated": False},
    }


def _entry_of(token: str) -> tuple[dict[str, Any], internals.Principal] | None:
    """The access entry that a token leads to, and who holds the token."""
    for cluster in records("eks").clusters:
        principal = internals.verify_eks_token(token, cluster)
        if principal is not None:
            entry = internals.access_entry(cluster, principal.arn)
            return (entry, principal) if entry else None
    return None


def _grants(entry: dict[str, Any]) -> Iterator[Grant]:
    associated = records("eks").access_policies
    prefix = f"{entry['clusterName']}\x00{entry['principalArn']}\x00{access_policies.POLICY_ARN}"
    for policy in access_policies.ROLES:
        scope = associated.get(prefix + policy, {}).get("accessScope")
        if scope:
            yield from ((policy, namespace) for namespace in scope["namespaces"] or [""])


def _user(
    entry: dict[str, Any], principal: internals.Principal, grants: list[Grant]
) -> dict[str, Any]:
    return {
        "username": entry.get("username") or principal.arn,
        "uid": principal.unique_id,
        "groups": [
            *entry.get("kubernetesGroups", []),
            *(access_policies.group(policy, namespace) for policy, namespace in grants),
        ],
        "extra": {"arn": [principal.arn], "clusterName": [entry["clusterName"]]},
    }


def _let_in(policy: str, namespace: str, kubeconfig: Path) -> None:
    try:
        apply_role_binding(access_policies.role_binding(policy, namespace), kubeconfig)
    except Unreachable as error:
        # Most likely the namespace is not there yet; the token is soon reviewed again.
        log.info("%s in namespace %s: %s", policy, namespace, error)

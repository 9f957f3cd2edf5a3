"""Kubernetes objects of the AWS part; the sandbox applies them when the API server answers."""

import base64
from typing import Any

from sandbox.aws import access_policies
from sandbox.instance import WEBHOOK_PORT

POD_IDENTITY_USER = "system:aerodrome:pod-identity"
"""The Kubernetes user whose certificate the emulator and the webhook have."""


def manifests(ca_pem: str) -> list[dict[str, Any]]:
    """The Pod Identity webhook, and the roles of EKS' access policies."""
    return [webhook(ca_pem), *_right_to_bind(), *access_policies.manifests()]


def _right_to_bind() -> list[dict[str, Any]]:
    """Lets the stand-in bind the roles of access policies in namespaces, and no others."""
    api = "rbac.authorization.k8s.io"
    metadata = {"name": "system:aerodrome:access-policies"}
    bind = {
        "apiGroups": [api],
        "resources": ["clusterroles"],
        "resourceNames": sorted(access_policies.ROLES.values()),
        "verbs": ["bind"],
    }
    write = {
        "apiGroups": [api],
        "resources": ["rolebindings"],
        "verbs": ["create", "get", "patch"],
    }
    return [
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRole",
            "metadata": metadata,
            "rules": [bind, write],
        },
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": metadata["name"]},
            "subjects": [{"apiGroup": api, "kind": "User", "name": POD_IDENTITY_USER}],
        },
    ]


def webhook(ca_pem: str) -> dict[str, Any]:
    """The webhook's registration. `ca_pem` is who signed its certificate.

    On EKS a failing webhook is ignored, and the pod starts without credentials. Here the pod
    is refused and its controller tries again: a deployment must not depend on whether a
    process of the node was just starting. The node's own namespace is left out.
    """
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "pod-identity-webhook"},
        "webhooks": [
            {
                "name": "pod-identity-webhook.amazonaws.com",
                "admissionReviewVersions": ["v1"],
                "clientConfig": {
                    "url": f"https://127.0.0.1:{WEBHOOK_PORT}/mutate",
                    "caBundle": base64.b64encode(ca_pem.encode()).decode(),
                },
                "failurePolicy": "Fail",
                "namespaceSelector": {
                    "matchExpressions": [
                        {
                            "key": "kubernetes.io/metadata.name",
                            "operator": "NotIn",
                            "values": ["kube-system"],
                        }
                    ]
                },
                "reinvocationPolicy": "IfNeeded",
                "rules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["pods"],
                        "scope": "Namespaced",
                    }
                ],
                "sideEffects": "None",
                "timeoutSeconds": 10,
            }
        ],
    }

"""Objects that the cluster has from the start: rights of the node's own programs, webhooks.

Applied by `up` when the API server answers; applying them again changes nothing.
"""

from collections.abc import Iterator
from typing import Any

from sandbox.aws.manifests import POD_IDENTITY_USER
from sandbox.cluster.api import Api, ApiError

PROVISIONER_USER = "system:aerodrome:volume-provisioner"
DNS_USER = "system:aerodrome:coredns"
POLICIES_USER = "system:aerodrome:network-policies"

Object = dict[str, Any]

_RBAC = "rbac.authorization.k8s.io"
_READ = ["get", "list", "watch"]

_RULES: dict[str, list[Object]] = {
    DNS_USER: [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": _READ},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": _READ},
    ],
    PROVISIONER_USER: [
        {"apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"], "verbs": _READ},
        {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": _READ},
        {
            "apiGroups": [""],
            "resources": ["persistentvolumes"],
            "verbs": [*_READ, "create", "delete", "patch"],
        },
        {"apiGroups": [""], "resources": ["persistentvolumeclaims/status"], "verbs": ["patch"]},
    ],
    POLICIES_USER: [
        {"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": _READ},
        {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": _READ},
    ],
    POD_IDENTITY_USER: [
        {"apiGroups": [""], "resources": ["serviceaccounts", "pods"], "verbs": _READ},
        {
            "apiGroups": ["authentication.k8s.io"],
            "resources": ["tokenreviews"],
            "verbs": ["create"],
        },
    ],
}


def apply(api: Api, others: list[Object]) -> None:
    """Bring the rights, and the objects of other parts of the sandbox, into the cluster."""
    for manifest in [*_rights(), *others]:
        api.apply(_path(manifest), manifest)


def node_is_ready(api: Api, name: str) -> bool:
    """Whether the kubelet has registered and says Ready."""
    try:
        node = api.get(f"/api/v1/nodes/{name}")
    except (OSError, ApiError):
        return False
    conditions = node["status"].get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def service_accounts_work(api: Api) -> bool:
    """Whether a pod can be created: it needs the namespace's ServiceAccount `default`."""
    try:
        api.get("/api/v1/namespaces/default/serviceaccounts/default")
    except (OSError, ApiError):
        return False
    return True


def _rights() -> Iterator[Object]:
    for user, rules in _RULES.items():
        metadata = {"name": user}
        version = f"{_RBAC}/v1"
        yield {"apiVersion": version, "kind": "ClusterRole", "metadata": metadata, "rules": rules}
        yield {
            "apiVersion": version,
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": user},
            "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": user}],
        }


_PLURALS = {
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "MutatingWebhookConfiguration": "mutatingwebhookconfigurations",
}


def _path(manifest: Object) -> str:
    plural = _PLURALS[manifest["kind"]]
    return f"/apis/{manifest['apiVersion']}/{plural}/{manifest['metadata']['name']}"

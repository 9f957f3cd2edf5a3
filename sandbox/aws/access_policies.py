"""EKS access policies as Kubernetes groups and roles.

EKS evaluates access policies in an authorizer of its own. Here the token webhook gives the
caller a group for each policy, or for each policy and namespace. The groups of whole clusters
are bound once, by these manifests; those of namespaces by the webhook, when it first meets
them. The roles are Kubernetes' own, close to EKS's but not equal. Standard library only: the
stand-in, which runs with another Python, imports this too.
"""

from typing import Any

POLICY_ARN = "arn:aws:eks::aws:cluster-access-policy/"
CLUSTER_ADMIN = "AmazonEKSClusterAdminPolicy"
VIEW_EVERYTHING = "eks-access-policy:view-everything"

ROLES = {
    CLUSTER_ADMIN: "cluster-admin",
    "AmazonEKSAdminPolicy": "admin",
    "AmazonEKSEditPolicy": "edit",
    "AmazonEKSViewPolicy": "view",
    "AmazonEKSAdminViewPolicy": VIEW_EVERYTHING,
}


def group(policy: str, namespace: str = "") -> str:
    """The Kubernetes group of those who have an access policy, in one namespace or in all."""
    if namespace:
        return f"eks-access-policy:{policy}:{namespace}"
    return "system:masters" if policy == CLUSTER_ADMIN else f"eks-access-policy:{policy}"


def role_binding(policy: str, namespace: str) -> dict[str, Any]:
    """Lets the group of a policy do in one namespace what the policy allows."""
    binding = _binding("RoleBinding", group(policy, namespace), ROLES[policy])
    binding["metadata"]["namespace"] = namespace
    return binding


def manifests() -> list[dict[str, Any]]:
    """One role and the bindings."""
    view_everything = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": VIEW_EVERYTHING},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}],
    }
    bindings = [
        _binding("ClusterRoleBinding", group(policy), role)
        for policy, role in ROLES.items()
        if policy != CLUSTER_ADMIN
    ]
    return [view_everything, *bindings]


def _binding(kind: str, name: str, role: str) -> dict[str, Any]:
    """A binding that bears the name of the group it is for."""
    api = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{api}/v1",
        "kind": kind,
        "metadata": {"name": name},
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": api, "kind": "Group", "name": name}],
    }

"""EKS access policies as Kubernetes groups and roles.

EKS evaluates access policies in an authorizer of its own. Here the token webhook gives the
caller a group for each policy, and these manifests, which the sandbox applies when it starts,
bind the groups. The roles are Kubernetes' own, close to EKS's but not equal. Standard library
only: the stand-in, which runs with another Python, imports this too.
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
"""Only with scope `cluster`; the stand-in refuses the others."""


def group(policy: str) -> str:
    """The Kubernetes group of those who have an access policy on the whole cluster."""
    return "system:masters" if policy == CLUSTER_ADMIN else f"eks-access-policy:{policy}"


def manifests() -> list[dict[str, Any]]:
    """One role and the bindings."""
    view_everything = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": VIEW_EVERYTHING},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}],
    }
    bindings = [_binding(policy, role) for policy, role in ROLES.items() if policy != CLUSTER_ADMIN]
    return [view_everything, *bindings]


def _binding(policy: str, role: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": group(policy)},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": role,
        },
        "subjects": [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group(policy)}
        ],
    }

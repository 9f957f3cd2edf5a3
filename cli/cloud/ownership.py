"""Whose something in the cloud is, by its tags. Pure functions; nothing else decides it.

The program tags what it makes. Controllers in the cluster make more, outside any state: load
balancers and their security groups, disks, network interfaces. Those carry the name of the
cluster, and often the namespace for which they were made. Names of clusters and namespaces are
made of the environment's (`infra.contract.naming`), so both lead back to it.
"""

from collections.abc import Mapping

from infra.contract.naming import AIRFLOW, PREFIX, TAG_BOOTSTRAP, TAG_ENVIRONMENT, is_environment

__all__ = ["TAG_ENVIRONMENT", "is_aerodrome", "of_cluster", "of_namespace", "owners"]

CLUSTER_PREFIX = "kubernetes.io/cluster/"
"""The rest of the key is the cluster. `shared` as the value: somebody else's, used by the cluster."""

CLUSTER_KEYS = (
    "elbv2.k8s.aws/cluster",
    "cluster.k8s.amazonaws.com/name",
    "eks:cluster-name",
    "eks:eks-cluster-name",
    "aws:eks:cluster-name",
    "karpenter.k8s.aws/cluster",
    "KubernetesCluster",
)
"""AWS' load balancer controller, VPC CNI, EKS, Karpenter, the EBS driver."""

NAMESPACE_KEYS = (
    "kubernetes.io/created-for/pvc/namespace",
    "kubernetes.io/service-name",
    "service.k8s.aws/stack",
    "ingress.k8s.aws/stack",
)
"""The namespace, or namespace/name."""

NODE_KEY = "node.k8s.amazonaws.com/instance_id"
"""The VPC CNI's on every network interface that it makes."""

POOL_TAG = "karpenter.sh/nodepool"
"""Karpenter's on every instance and launch template that it makes."""


def owners(tags: Mapping[str, str]) -> list[str]:
    """The environments that something belongs to, the nearest first.

    A branch on a shared cluster has its own load balancers and disks, which are the base's too:
    they are in its cluster, and must be gone before it. What the program itself tagged is the
    environment's alone, whatever cluster it serves.
    """
    clusters = _clusters(tags)
    tagged = tags.get(TAG_ENVIRONMENT, "")
    found = []
    if clusters or tagged:
        found += _by_namespace(tags)
    found += [tagged] if tagged else clusters
    return list(dict.fromkeys(found))


def is_aerodrome(tags: Mapping[str, str]) -> bool:
    """Whether it is one of Aerodrome's that an environment made; what all of them need is not."""
    return TAG_BOOTSTRAP not in tags and any(key.startswith(f"{PREFIX}:") for key in tags)


def of_cluster(name: str) -> str:
    """The environment whose cluster has that name; empty if it is none of ours."""
    environment = name.removeprefix(f"{PREFIX}-")
    return environment if environment != name and is_environment(environment) else ""


def of_namespace(name: str) -> str:
    """The environment that has a namespace of its own of that name; empty if there is none."""
    environment = name.removeprefix(f"{AIRFLOW}-")
    return environment if environment != name and is_environment(environment) else ""


def _clusters(tags: Mapping[str, str]) -> list[str]:
    names = [
        key.removeprefix(CLUSTER_PREFIX)
        for key, value in tags.items()
        if key.startswith(CLUSTER_PREFIX) and value != "shared"
    ]
    names += [tags[key] for key in CLUSTER_KEYS if key in tags]
    return [environment for name in names if (environment := of_cluster(name))]


def _by_namespace(tags: Mapping[str, str]) -> list[str]:
    namespaces = [tags[key].split("/")[0] for key in NAMESPACE_KEYS if key in tags]
    return [environment for name in namespaces if (environment := of_namespace(name))]

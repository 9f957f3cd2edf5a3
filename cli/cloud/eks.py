"""EKS' clusters: whether one is there, and the way into it."""

from botocore.exceptions import ClientError

from cli.cloud.errors import is_gone, translated, unless_gone
from cli.cloud.resource import Client, everything
from infra.contract import clusters

SERVICE = "eks"


def exists(client: Client, cluster: str) -> bool:
    """Whether there is such a cluster, and nobody deletes it."""
    with translated(f"show the cluster {cluster}"):
        try:
            found = client(SERVICE).describe_cluster(name=cluster)["cluster"]
        except ClientError as error:
            if is_gone(error):
                return False
            raise
    return bool(found.get("status") != "DELETING")


def kubeconfig(client: Client, cluster: str, region: str) -> str:
    """The way into a cluster of which no state tells, with the caller's own right to enter it."""
    with translated(f"show the cluster {cluster}"):
        found = client(SERVICE).describe_cluster(name=cluster)["cluster"]
    authority = found["certificateAuthority"]["data"]
    return clusters.kubeconfig(cluster, region, found["endpoint"], authority)


def version(client: Client, cluster: str) -> str:
    """A cluster's version of Kubernetes; empty if there is no such cluster, or it is being deleted."""
    with translated(f"show the cluster {cluster}"):
        answer = unless_gone(client(SERVICE).describe_cluster, name=cluster)
    found = answer["cluster"] if answer else {}
    return "" if found.get("status") == "DELETING" else str(found.get("version", ""))


def offered_versions(client: Client) -> list[str]:
    """The versions of Kubernetes with which EKS makes clusters now, in standard and extended support."""
    with translated("list the versions of Kubernetes that EKS offers"):
        # Those whose support has ended are not in the answer, unless somebody asks for them.
        found = everything(client(SERVICE), "describe_cluster_versions", "clusterVersions")
        return [str(item["clusterVersion"]) for item in found]

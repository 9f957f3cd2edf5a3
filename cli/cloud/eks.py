"""EKS: clusters and what is in them, and the access of single environments to a shared one."""

import json
from collections.abc import Iterator

from botocore.exceptions import ClientError

from cli.cloud import ownership
from cli.cloud.errors import InUse, gone_is_fine, is_gone, translated
from cli.cloud.resource import Client, Resource, Search, everything, moment

SERVICE = "eks"


def find(search: Search) -> Iterator[Resource]:
    eks = search.client(SERVICE)
    for name in everything(eks, "list_clusters", "clusters"):
        with gone_is_fine():
            cluster = eks.describe_cluster(name=name)["cluster"]
            near = ownership.of_cluster(name)
            environment = search.whose(cluster.get("tags", {}), *([near] if near else []))
            if environment is not None:
                yield Resource(
                    service=SERVICE,
                    kind="cluster",
                    id=name,
                    arn=cluster["arn"],
                    environment=environment,
                    show=search.command(f"eks describe-cluster --name {name}"),
                    tags=cluster.get("tags", {}),
                    created=moment(cluster.get("createdAt")),
                    facts={"ending": cluster.get("status") == "DELETING"},
                )
            elif not near and not ownership.is_aerodrome(cluster.get("tags", {})):
                continue
            yield from _associations(search, name)


def _associations(search: Search, cluster: str) -> Iterator[Resource]:
    """The right of an environment's pods to a role: in its own cluster, or in its base's."""
    eks = search.client(SERVICE)
    for item in everything(
        eks, "list_pod_identity_associations", "associations", clusterName=cluster
    ):
        named = {"clusterName": cluster, "associationId": item["associationId"]}
        with gone_is_fine():
            association = eks.describe_pod_identity_association(**named)["association"]
            tags = association.get("tags", {})
            near = ownership.of_namespace(item.get("namespace", ""))
            environment = search.whose(tags, *([near] if near else []))
            if environment is None:
                continue
            yield Resource(
                service=SERVICE,
                kind="pod-identity-association",
                id=f"{cluster}/{item['associationId']}",
                arn=association["associationArn"],
                environment=environment,
                show=search.command(
                    f"eks describe-pod-identity-association --cluster-name {cluster} "
                    f"--association-id {item['associationId']}"
                ),
                tags=tags,
                created=moment(association.get("createdAt")),
            )


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
    login = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": ["eks", "get-token", "--cluster-name", cluster, "--region", region],
        "interactiveMode": "Never",
    }
    data = found["certificateAuthority"]["data"]
    server = {"server": found["endpoint"], "certificate-authority-data": data}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": cluster,
            "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": cluster}}],
            "clusters": [{"name": cluster, "cluster": server}],
            "users": [{"name": cluster, "user": {"exec": login}}],
        }
    )


def delete(search: Search, resource: Resource) -> None:
    eks = search.client(SERVICE)
    if resource.kind == "pod-identity-association":
        cluster, _, association = resource.id.partition("/")
        eks.delete_pod_identity_association(clusterName=cluster, associationId=association)
        return
    if resource.ending:
        return
    groups = list(everything(eks, "list_nodegroups", "nodegroups", clusterName=resource.id))
    for group in groups:
        described = eks.describe_nodegroup(clusterName=resource.id, nodegroupName=group)
        if described["nodegroup"]["status"] != "DELETING":
            eks.delete_nodegroup(clusterName=resource.id, nodegroupName=group)
    left = list(everything(eks, "list_nodegroups", "nodegroups", clusterName=resource.id))
    if left:
        raise InUse(f"the cluster {resource.id} still has workers", ", ".join(left))
    eks.delete_cluster(name=resource.id)

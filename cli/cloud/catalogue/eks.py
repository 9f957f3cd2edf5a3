"""EKS: clusters and what is in them, and the access of single environments to a shared one."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from cli.cloud import ownership
from cli.cloud.catalogue.ec2 import disk
from cli.cloud.catalogue.kind import (
    Asked,
    Charge,
    Facts,
    Item,
    Kind,
    Recovery,
    hourly,
    named,
    repeat,
)
from cli.cloud.errors import InUse, gone_is_fine, unless_gone
from cli.cloud.resource import Resource, Search, everything

SERVICE = "eks"
DEFAULT_DISK_GB = 20
"""What EKS gives a worker that asks for nothing."""


def _described(search: Search) -> list[dict[str, Any]]:
    eks = search.client(SERVICE)

    def ask() -> list[dict[str, Any]]:
        names = everything(eks, "list_clusters", "clusters")
        found = [unless_gone(eks.describe_cluster, name=name) for name in names]
        return [answer["cluster"] for answer in found if answer]

    return search.once("clusters", ask)


def _clusters(search: Search) -> Iterator[Item]:
    for cluster in _described(search):
        name, ending = cluster["name"], cluster.get("status") == "DELETING"
        near, created = ownership.of_cluster(name), cluster.get("createdAt")
        yield Item(name, cluster["arn"], cluster.get("tags", {}), near, created, ending=ending)


def _associations(search: Search) -> Iterator[Item]:
    """The right of an environment's pods to a role: in its own cluster, or in its base's."""
    eks = search.client(SERVICE)
    for cluster in _described(search):
        name, tags = cluster["name"], cluster.get("tags", {})
        if ownership.of_cluster(name) or search.whose(tags) or ownership.is_aerodrome(tags):
            with gone_is_fine():
                for listed in everything(
                    eks, "list_pod_identity_associations", "associations", clusterName=name
                ):
                    yield from _association(eks, name, listed["associationId"])


def _association(eks: Any, cluster: str, identifier: str) -> Iterator[Item]:
    answer = unless_gone(
        eks.describe_pod_identity_association, clusterName=cluster, associationId=identifier
    )
    if answer:
        found = answer["association"]
        near = ownership.of_namespace(found.get("namespace", ""))
        arn, tags = found["associationArn"], found.get("tags", {})
        yield Item(f"{cluster}/{identifier}", arn, tags, near, found.get("createdAt"))


def _show_association(identifier: str) -> str:
    cluster, _, association = identifier.partition("/")
    return (
        f"eks describe-pod-identity-association --cluster-name {cluster} "
        f"--association-id {association}"
    )


def _delete_association(search: Search, resource: Resource) -> None:
    cluster, _, association = resource.id.partition("/")
    search.client(SERVICE).delete_pod_identity_association(
        clusterName=cluster, associationId=association
    )


def _delete_cluster(search: Search, resource: Resource) -> None:
    eks, cluster = search.client(SERVICE), {"clusterName": resource.id}
    if resource.ending:
        return
    for group in everything(eks, "list_nodegroups", "nodegroups", **cluster):
        found = eks.describe_nodegroup(nodegroupName=group, **cluster)
        if found["nodegroup"]["status"] != "DELETING":
            eks.delete_nodegroup(nodegroupName=group, **cluster)
    left = list(everything(eks, "list_nodegroups", "nodegroups", **cluster))
    if left:
        raise InUse(f"the cluster {resource.id} still has workers", ", ".join(left))
    eks.delete_cluster(name=resource.id)


def _workers(facts: Facts) -> Iterable[Charge]:
    count = int((facts.get("scalingConfig") or {}).get("desiredSize") or 1)
    # Of several types any may come: the dearest is what it can cost.
    kinds = tuple(str(kind) for kind in facts.get("instanceTypes") or ["t3.medium"])
    spot = ", spot: at most" if facts.get("capacityType") == "SPOT" else ""
    yield Charge("workers", kinds, count, detail=f"{count} x {' or '.join(kinds)}{spot}")
    size = int(facts.get("diskSize") or DEFAULT_DISK_GB)
    yield disk("workers' disks", count * size, f"{count} x {size} GB gp3")


def _part(operation: str, argument: str, key: str) -> Recovery:
    """A part of a cluster; its id is `CLUSTER:PART`."""

    def recover(asked: Asked) -> str | None:
        cluster, part = asked.inputs["clusterName"], asked.inputs[key]
        call = getattr(asked.client(SERVICE), operation)
        found = unless_gone(call, clusterName=cluster, **{argument: part})
        return None if found is None else f"{cluster}:{part}"

    return recover


def _of_part(argument: str) -> Callable[[str], Mapping[str, Any]]:
    """A waiter's arguments for such an id."""
    return lambda id: dict(zip(("clusterName", argument), id.split(":"), strict=True))


def _pod_identity(asked: Asked) -> str | None:
    cluster = asked.inputs["clusterName"]
    where = {key: asked.inputs[key] for key in ("clusterName", "namespace", "serviceAccount")}
    found = asked.client(SERVICE).list_pod_identity_associations(**where)["associations"]
    return f"{cluster},{found[0]['associationId']}" if found else None


KINDS = (
    Kind(
        service=SERVICE,
        name="pod-identity-association",
        type="aws:eks/podIdentityAssociation:PodIdentityAssociation",
        arn="podidentityassociation",
        list=_associations,
        delete=_delete_association,
        show=_show_association,
        recover=_pod_identity,
    ),
    Kind(
        service=SERVICE,
        name="cluster",
        type="aws:eks/cluster:Cluster",
        component="eks:index:Cluster",
        list=_clusters,
        delete=_delete_cluster,
        show="eks describe-cluster --name {id}",
        price=hourly("EKS control plane", "eks-cluster"),
        recover=named(SERVICE, "describe_cluster", "name"),
        ready=("cluster_active", lambda id: {"name": id}),
    ),
    # They go with their cluster.
    Kind(
        service=SERVICE,
        name="nodegroup",
        type="aws:eks/nodeGroup:NodeGroup",
        component="eks:index:ManagedNodeGroup",
        price=_workers,
        recover=_part("describe_nodegroup", "nodegroupName", "nodeGroupName"),
        ready=("nodegroup_active", _of_part("nodegroupName")),
    ),
    Kind(
        service=SERVICE,
        name="addon",
        type="aws:eks/addon:Addon",
        recover=_part("describe_addon", "addonName", "addonName"),
        ready=("addon_active", _of_part("addonName")),
    ),
    Kind(
        service=SERVICE,
        name="access-entry",
        type="aws:eks/accessEntry:AccessEntry",
        recover=_part("describe_access_entry", "principalArn", "principalArn"),
    ),
    Kind(
        type="aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        recover=repeat,
    ),
)

"""What an environment has put into a cluster that is somebody else's: found by its name, its label or its tag, and by
nothing else. That cluster is in no inventory of the kit's, so what the engine left in it is looked for here.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cli.base.errors import KitError
from cli.cloud.errors import gone_is_fine, translated, unless_gone
from cli.cloud.kubernetes import SECONDS, Kubernetes, Object
from cli.cloud.resource import everything
from cli.operations.teardown.report import Report
from cli.operations.teardown.target import Target
from infra.contract import metrics
from infra.contract.clusters import NAMESPACES, storage_class
from infra.contract.naming import TAG_ENVIRONMENT

RIGHTS = "clusterroles,clusterrolebindings"
TELEGRAF = f"{metrics.NAMESPACE}-{metrics.STATSD_SERVICE}"
"""What monitoring has outside of its namespace."""

HELM = "meta.helm.sh/release-namespace"
"""Helm's on everything that a release has made."""

ASSOCIATION, ENTRY = "pod-identity-association", "access-entry"


@dataclass(frozen=True)
class ForeignObject:
    """One thing that is there, the command that shows it, and how it goes."""

    label: str
    show: str
    delete: Callable[[], object]


def left(target: Target) -> list[ForeignObject]:
    """All that is in the cluster now, in the order in which it goes. Unreachable, or another KitError, if it does not say."""
    found: list[ForeignObject] = []
    kubernetes = target.kubernetes
    if kubernetes is not None and target.guest:
        found += _in_kubernetes(target, kubernetes)
    if target.cluster_exists:
        found += _in_eks(target)
    return found


def clear(target: Target, report: Report) -> None:
    """Deletes it; what cannot be deleted is a note, and found again by the inventory."""
    if not target.foreign:
        return
    try:
        for item in left(target):
            try:
                item.delete()
                report.deleted(item.label)
            except KitError as error:
                report.note(f"{error.summary}: {error.detail}")
    except KitError as error:
        report.note(f"{error.summary}: {error.detail}")


def _in_kubernetes(target: Target, kubernetes: Kubernetes) -> Iterator[ForeignObject]:
    own = target.spaces(kubernetes) or []
    there = {str(item["metadata"]["name"]) for item in kubernetes.objects("namespaces")}
    # A release of a namespace that is somebody else's is his, whatever it is called.
    ours = {name for name in (*NAMESPACES, *own) if name in own or name not in there}
    doomed = [
        item
        for item in kubernetes.objects(RIGHTS)
        if str(item["metadata"]["name"]) == TELEGRAF and _release_of(item) in ours
    ]
    doomed += [
        item
        for item in (kubernetes.find("storageclass", storage_class(target.name)),)
        if item is not None
    ]
    doomed += [item for name in own if (item := kubernetes.find("namespace", name)) is not None]
    for item in doomed:
        kind, name = str(item["kind"]).lower(), str(item["metadata"]["name"])
        yield ForeignObject(
            f"{kind} {name} in {target.cluster}",
            f"kubectl get {kind} {name} --output yaml",
            _deletion(target, kubernetes, item),
        )


def _release_of(item: Object) -> str:
    return str((item["metadata"].get("annotations") or {}).get(HELM, ""))


def _deletion(target: Target, kubernetes: Kubernetes, item: Object) -> Callable[[], object]:
    seconds = target.limits.cluster if item["kind"] == "Namespace" else SECONDS
    return lambda: kubernetes.delete(item, seconds=seconds)


def _in_eks(target: Target) -> Iterator[ForeignObject]:
    eks, cluster = target.client("eks"), target.cluster
    with translated(f"list what is in the cluster {cluster}"), gone_is_fine():
        for listed in everything(
            eks, "list_pod_identity_associations", "associations", clusterName=cluster
        ):
            one = {"clusterName": cluster, "associationId": listed["associationId"]}
            answer = unless_gone(eks.describe_pod_identity_association, **one)
            if answer and _is_ours(target, answer["association"]):
                yield _eks(target, ASSOCIATION, "--association-id", one)
        # Those of people and programs that the environment has made: their names tell it, and nobody else's is asked about.
        for principal in everything(
            eks, "list_access_entries", "accessEntries", clusterName=cluster
        ):
            if f"{target.names.iam_path}" not in str(principal):
                continue
            one = {"clusterName": cluster, "principalArn": str(principal)}
            answer = unless_gone(eks.describe_access_entry, **one)
            if answer and _is_ours(target, answer["accessEntry"]):
                yield _eks(target, ENTRY, "--principal-arn", one)


def _is_ours(target: Target, found: Mapping[str, Any]) -> bool:
    return bool((found.get("tags") or {}).get(TAG_ENVIRONMENT) == target.name)


def _eks(target: Target, kind: str, option: str, one: Mapping[str, str]) -> ForeignObject:
    cluster, name = one.values()
    delete = getattr(target.client("eks"), f"delete_{kind.replace('-', '_')}")

    def act() -> None:
        with translated(f"delete {kind} {name}"), gone_is_fine():
            delete(**one)

    show = f"aws eks describe-{kind} --cluster-name {cluster} {option} {name}"
    return ForeignObject(f"eks {kind} {name} in {cluster}", show, act)

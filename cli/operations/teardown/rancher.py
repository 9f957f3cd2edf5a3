"""Rancher first, while its agent in the cluster still answers.

Rancher keeps a record of the cluster and a cloud credential, and has put namespaces and webhooks
into the cluster. A webhook whose server is gone refuses every deletion of a namespace, forever.
Where Rancher is and who may ask it is configured as for Rancher's own tools: RANCHER_URL, RANCHER_TOKEN. The
environment's own has handed over a token.
"""

import os
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from cli.base.errors import KitError
from cli.cloud.kubernetes import Kubernetes, Object, Unreachable, reference
from cli.cloud.rancher import TOKEN, URL, Rancher, Unanswered
from cli.operations.rancher import projects
from cli.operations.rancher.handover import variables_for
from cli.operations.rancher.identity import Identity, uid_of
from cli.operations.teardown.report import Report
from cli.operations.teardown.target import Target
from cli.operations.teardown.waiting import until_none

SPACES = "cattle-"
WEBHOOKS = ("validatingwebhookconfiguration", "mutatingwebhookconfiguration")
OURS = "rancher.cattle.io"
"""How the names of Rancher's webhooks begin."""

RIGHTS = ("clusterrolebindings", "clusterroles")
AGENT_RIGHTS = (
    "cattle-admin-binding",
    "cattle-admin",
    "proxy-role-binding-kubernetes-master",
    "proxy-clusterrole-kubeapiserver",
)
"""Of the manifest with which a cluster is registered."""

HELD = "secrets,configmaps,serviceaccounts,services,roles,rolebindings"
"""What Rancher's finalizers are on, inside its namespaces."""

TRIES = 2
"""How often a Rancher is asked that does not answer: a teardown goes on without it."""


def deregister(target: Target, report: Report, variables: Mapping[str, str] = os.environ) -> None:
    """Takes a cluster out of Rancher, and Rancher out of the cluster."""
    if target.shared or target.foreign:
        # The cluster is its base's, or somebody else's.
        return
    url = variables.get(URL) or target.outputs.rancher_address
    managed = _is_managed(target)
    if not url and not managed:
        return
    variables = _asked_with(target, variables, report)
    if url and variables.get(TOKEN):
        try:
            with Rancher(url, variables[TOKEN], variables, tries=TRIES) as rancher:
                _forget_cluster(target, rancher, report)
        except Unanswered as error:
            report.note(f"{error.summary}: its records of the cluster stay ({error.detail})")
    elif managed:
        report.note(f"Rancher is not asked: {TOKEN} is not set; its record of the cluster stays")
    if managed and target.kubernetes is not None:
        _clean(target, target.kubernetes, report)


def _asked_with(target: Target, variables: Mapping[str, str], report: Report) -> Mapping[str, str]:
    try:
        return variables_for(target.client, target.outputs, variables)
    except KitError as error:
        report.note(f"{error.summary}: {error.detail}")
        return variables


def _is_managed(target: Target) -> bool:
    try:
        return target.kubernetes is not None and bool(_spaces(target.kubernetes))
    except Unreachable:
        return False


def _spaces(kubernetes: Kubernetes) -> list[str]:
    found = kubernetes.objects("namespaces")
    return [name for item in found if (name := item["metadata"]["name"]).startswith(SPACES)]


def _forget_cluster(target: Target, rancher: Rancher, report: Report) -> None:
    known = rancher.clusters()
    identity = _identity(target)
    ours = [item for item in known if identity.owns(item)]
    if not ours:
        report.note(f"Rancher does not know {target.cluster}")
        return
    others = {_credential(item) for item in known if item not in ours}
    for item in ours:
        _forget_people(target, rancher, item["id"], report)
        rancher.delete_cluster(item["id"])
        # Rancher first tells its agent to clean up, and then forgets the cluster.
        left = until_none(
            partial(_records, rancher, item["id"]),
            target.limits.cluster,
            target.limits.pause,
            lambda what: report.deleted(f"Rancher's record of {target.cluster}"),
            before=[f"cluster {item['id']}"],
        )
        if left:
            report.note(f"Rancher still has its record of {target.cluster}")
        elif (credential := _credential(item)) and credential not in others:
            rancher.delete_credential(credential)
            report.deleted(f"Rancher's cloud credential {credential}")


def _forget_people(target: Target, rancher: Rancher, cluster: str, report: Report) -> None:
    """Roles first: one who could reach the cluster must not while it goes. What stays here goes with Rancher's record."""
    try:
        projects.forget(rancher, cluster, target.name, report=report.deleted)
    except Unanswered as error:
        report.note(f"{error.summary}: {error.detail}")


def _records(rancher: Rancher, cluster: str) -> list[str]:
    return [f"cluster {one['id']}" for one in rancher.clusters() if one["id"] == cluster]


def _identity(target: Target) -> Identity:
    try:
        uid = uid_of(target.kubernetes) if target.kubernetes is not None else ""
    except KitError:
        # It does not answer any more, and is known by its name alone.
        uid = ""
    return Identity(target.name, target.cluster, target.region, uid)


def _credential(item: Mapping[str, Any]) -> str:
    return str((item.get("eksConfig") or {}).get("amazonCredentialSecret") or "")


def _clean(target: Target, kubernetes: Kubernetes, report: Report) -> None:
    """Webhooks before namespaces: one that nobody answers would refuse the deletions."""
    for kind in WEBHOOKS:
        for item in kubernetes.objects(kind):
            name = item["metadata"]["name"]
            if name.startswith(OURS) and kubernetes.delete(item):
                report.deleted(f"{kind} {name}")
    _delete_rights(kubernetes, report)
    spaces = _spaces(kubernetes)
    for space in spaces:
        # The agent first: one that lives would put back what is taken away.
        for deployment in kubernetes.objects("deployments", namespace=space):
            kubernetes.delete(deployment)
    for space in spaces:
        kubernetes.delete(reference("v1", "Namespace", space))
    left = until_none(
        lambda: _spaces(kubernetes),
        target.limits.cluster / 2,
        target.limits.pause,
        lambda space: report.deleted(f"namespace {space}"),
        before=spaces,
    )
    # Rancher's own finalizers, whose controller is gone.
    for space in left:
        for item in _held(kubernetes.objects(HELD, namespace=space)):
            _release(kubernetes, item)
    for item in _held(kubernetes.objects("namespaces")):
        # Also on the namespaces of others: none of them could be deleted any more.
        _release(kubernetes, item)
    stay = until_none(
        lambda: _spaces(kubernetes),
        target.limits.pause * 10 if left else 0.0,
        target.limits.pause,
        lambda space: report.deleted(f"namespace {space}"),
        before=left,
    )
    if stay:
        report.note(f"these namespaces are not deleted: {', '.join(stay)}")


def _delete_rights(kubernetes: Kubernetes, report: Report) -> None:
    """What makes the agent an administrator: it lies outside of its namespaces, and would outlive them."""
    for kind in RIGHTS:
        for item in kubernetes.objects(kind):
            name = item["metadata"]["name"]
            if name not in AGENT_RIGHTS and not _held([item]):
                continue
            _release(kubernetes, item)
            if kubernetes.delete(item):
                report.deleted(f"{kind} {name}")


def _held(items: Iterable[Object]) -> list[Object]:
    """Those that a finalizer of Rancher's keeps."""
    return [item for item in items if len(_others_finalizers(item)) < len(_finalizers(item))]


def _release(kubernetes: Kubernetes, item: Object) -> None:
    """Takes Rancher's finalizers off, and leaves those of others."""
    if _held([item]):
        kubernetes.patch(item, {"metadata": {"finalizers": _others_finalizers(item)}})


def _finalizers(item: Object) -> list[str]:
    return list(item["metadata"].get("finalizers") or ())


def _others_finalizers(item: Object) -> list[str]:
    return [name for name in _finalizers(item) if "cattle.io/" not in name]

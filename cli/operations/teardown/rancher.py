"""Rancher first, while its agent in the cluster still answers.

Rancher keeps a record of the cluster and a cloud credential, and has put namespaces and webhooks
into the cluster. A webhook whose server is gone refuses every deletion of a namespace, forever.
Where Rancher is and who may ask it is configured as for Rancher's own tools: RANCHER_URL, RANCHER_TOKEN.
"""

import os
import ssl
from collections.abc import Mapping
from functools import partial
from typing import Any, Self

import httpx

from cli.base.errors import KitError
from cli.cloud.kubernetes import Kubernetes, Unreachable, reference
from cli.operations.teardown.report import Report
from cli.operations.teardown.target import Target
from cli.operations.teardown.waiting import until_none

URL, TOKEN = "RANCHER_URL", "RANCHER_TOKEN"
INSECURE, AUTHORITY = "RANCHER_INSECURE", "RANCHER_CA_CERTS"
"""As Rancher's Terraform provider calls them; the authority is PEM text."""

SPACES = "cattle-"
WEBHOOKS = ("validatingwebhookconfiguration", "mutatingwebhookconfiguration")
OURS = "rancher.cattle.io"
"""How the names of Rancher's webhooks begin."""

SECONDS = 20.0


class Unanswered(KitError):
    """Rancher does not answer, or not to us: it is no reason to keep the cluster."""


class Rancher:
    """Rancher's API, version 3, as far as a cluster's end needs it."""

    def __init__(self, url: str, token: str, variables: Mapping[str, str]) -> None:
        self._client = httpx.Client(
            base_url=f"{url.rstrip('/')}/v3",
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            timeout=SECONDS,
            verify=_trust(variables),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def clusters(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._send("GET", "/clusters").json()["data"]
        return found

    def delete_cluster(self, identifier: str) -> None:
        self._send("DELETE", f"/clusters/{identifier}")

    def delete_credential(self, identifier: str) -> None:
        self._send("DELETE", f"/cloudCredentials/{identifier}")

    def _send(self, method: str, path: str) -> httpx.Response:
        try:
            answer = self._client.request(method, path)
        except httpx.HTTPError as error:
            raise Unanswered("Rancher does not answer", str(error)) from error
        # What is gone already needs no deletion.
        if answer.is_error and not (method == "DELETE" and answer.status_code == 404):
            raise Unanswered(f"Rancher answers {answer.status_code} to {method} {path}")
        return answer


def _trust(variables: Mapping[str, str]) -> ssl.SSLContext | bool:
    if variables.get(INSECURE) == "true":
        return False
    authority = variables.get(AUTHORITY)
    return ssl.create_default_context(cadata=authority) if authority else True


def deregister(target: Target, report: Report, variables: Mapping[str, str] = os.environ) -> None:
    """Takes a cluster out of Rancher, and Rancher out of the cluster."""
    if target.shared:
        # The cluster is its base's.
        return
    address = target.outputs.rancher_address
    url = variables.get(URL) or (f"https://{address}" if address else "")
    managed = _is_managed(target)
    if not url and not managed:
        return
    if url and variables.get(TOKEN):
        try:
            with Rancher(url, variables[TOKEN], variables) as rancher:
                _forget_cluster(target, rancher, report)
        except Unanswered as error:
            report.note(f"{error.summary}: its records of the cluster stay ({error.detail})")
    elif managed:
        report.note(f"Rancher is not asked: {TOKEN} is not set; its record of the cluster stays")
    if managed and target.kubernetes is not None:
        _clean(target, target.kubernetes, report)


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
    ours = [item for item in known if _is_ours(item, target)]
    if not ours:
        report.note(f"Rancher does not know {target.cluster}")
        return
    others = {_credential(item) for item in known if item not in ours}
    for item in ours:
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


def _records(rancher: Rancher, cluster: str) -> list[str]:
    return [f"cluster {one['id']}" for one in rancher.clusters() if one["id"] == cluster]


def _is_ours(item: Mapping[str, Any], target: Target) -> bool:
    """By EKS's name for it: Rancher's own may be another."""
    named = (item.get("eksConfig") or {}).get("displayName") or item.get("name")
    region = (item.get("eksConfig") or {}).get("region")
    return bool(named == target.cluster and region in (None, "", target.region or region))


def _credential(item: Mapping[str, Any]) -> str:
    return str((item.get("eksConfig") or {}).get("amazonCredentialSecret") or "")


def _clean(target: Target, kubernetes: Kubernetes, report: Report) -> None:
    """Webhooks before namespaces: one that nobody answers would refuse the deletions."""
    for kind in WEBHOOKS:
        for item in kubernetes.objects(kind):
            name = item["metadata"]["name"]
            if name.startswith(OURS) and kubernetes.delete(item):
                report.deleted(f"{kind} {name}")
    spaces = _spaces(kubernetes)
    for space in spaces:
        kubernetes.delete(reference("v1", "Namespace", space))
    left = until_none(
        lambda: _spaces(kubernetes),
        target.limits.cluster / 2,
        target.limits.pause,
        lambda space: report.deleted(f"namespace {space}"),
        before=spaces,
    )
    for space in left:
        # Rancher's own finalizers, whose controller is gone.
        kubernetes.patch(reference("v1", "Namespace", space), {"metadata": {"finalizers": []}})
    stay = until_none(
        lambda: _spaces(kubernetes),
        target.limits.pause * 10 if left else 0.0,
        target.limits.pause,
        lambda space: report.deleted(f"namespace {space}"),
        before=left,
    )
    if stay:
        report.note(f"these namespaces are not deleted: {', '.join(stay)}")

"""Whether somebody serves the Ingress of an environment's UI: its controller and its certificate are the cluster's, not the stack's."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from cli.base.environments import Environment
from cli.base.errors import KitError
from cli.cloud.kubernetes import Kubernetes
from cli.cloud.kubernetes.errors import UnknownKind
from cli.operations import live
from cli.operations.bootstrap import requested_settings
from cli.operations.live import Live
from cli.operations.version_check import VersionCheck
from cli.session import Session

NAME: Final = "uiHost"
DEFAULT: Final = "ingressclass.kubernetes.io/is-default-class"
ISSUERS: Final = {
    "cert-manager.io/cluster-issuer": "clusterissuers.cert-manager.io",
    "cert-manager.io/issuer": "issuers.cert-manager.io",
}
"""The annotations by which cert-manager makes a certificate for an Ingress, and what they name."""


def missing(found: Live) -> list[str]:
    """What is not there that people's way to the UI needs, each in words."""
    url, name = found.outputs.ui_url, found.outputs.ui_service
    if not url:
        return []
    ingress = found.kubernetes.find("ingress", name)
    if ingress is None:
        return [f'nobody serves {url}: the Ingress "{name}" is gone; ./aerodrome up makes it again']
    lacks = (*_controller(found.kubernetes, ingress), *_certificate(found.kubernetes, ingress))
    return [f"nobody serves {url}: {lack} (docs/https.md)" for lack in lacks]


def checks(session: Session, environments: Iterable[Environment]) -> Iterator[VersionCheck]:
    """For `doctor`: one finding for each environment that is deployed with a host and can be asked."""
    for environment in environments:
        if not requested_settings.read(environment).value(NAME):
            continue
        if not session.cloud(environment).is_up() or not session.backend(environment).deployed():
            continue
        try:
            lacks = missing(live.of(session, environment))
        except KitError as error:
            yield VersionCheck(True, f"{environment.name} was not asked: {error.summary}", "", NAME)
            continue
        found = "; ".join(lacks) or f"somebody serves that of {environment.name}"
        yield VersionCheck(not lacks, found, "see docs/https.md", NAME)


def _controller(kubernetes: Kubernetes, ingress: dict[str, Any]) -> Iterator[str]:
    classes = kubernetes.objects("ingressclasses", everywhere=True)
    names = {one["metadata"]["name"] for one in classes}
    wanted = ingress["spec"].get("ingressClassName")
    if wanted and wanted not in names:
        there = f"; there are {', '.join(sorted(names))}" if names else ""
        yield f'the cluster has no IngressClass "{wanted}"{there}: install its controller, or set uiIngressClass'
    if not wanted and not any(
        (one["metadata"].get("annotations") or {}).get(DEFAULT) == "true" for one in classes
    ):
        yield "the cluster has no default IngressClass: install an ingress controller, or set uiIngressClass"


def _certificate(kubernetes: Kubernetes, ingress: dict[str, Any]) -> Iterator[str]:
    annotations = ingress["metadata"].get("annotations") or {}
    named = [(kind, annotations[key]) for key, kind in ISSUERS.items() if key in annotations]
    for kind, name in named:
        try:
            there = kubernetes.find(kind, name)
        except UnknownKind:
            yield "the cluster has no cert-manager, which makes its certificate: install it"
            continue
        if there is None:
            yield f'cert-manager has no {kind.partition(".")[0][:-1]} "{name}": make it, or set uiCertificateIssuer'
    for each in ingress["spec"].get("tls") or ():
        if not named and kubernetes.find("secret", each["secretName"]) is None:
            yield f'the namespace {kubernetes.namespace} has no Secret "{each["secretName"]}" with its certificate'

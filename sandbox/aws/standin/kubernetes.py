"""The stand-in's client of the Kubernetes API, in the role of EKS' own control plane.

Whose service account token it is, for Pod Identity; and to let a group into a namespace, for
an access policy.
"""

import base64
import json
import ssl
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox.errors import KitError

AUDIENCE = "pods.eks.amazonaws.com"
TIMEOUT = 5.0
"""Seconds. The API server is on the same machine."""

POD_NAME = "authentication.kubernetes.io/pod-name"
POD_UID = "authentication.kubernetes.io/pod-uid"


class BadToken(KitError):
    """The API server does not accept the token for Pod Identity."""


class Unreachable(KitError):
    """The API server could not be asked, or refused."""


@dataclass(frozen=True)
class Subject:
    """The pod that a token was issued to."""

    namespace: str
    service_account: str
    pod_name: str
    pod_uid: str


def subject_of(token: str, kubeconfig: Path) -> Subject:
    """The pod that `token` was issued to. BadToken if it is not valid now, for our audience, in a pod."""
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": [AUDIENCE]},
    }
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    status = _send(kubeconfig, "POST", path, review)["status"]
    if not status.get("authenticated") or AUDIENCE not in status.get("audiences", []):
        raise BadToken(status.get("error") or "Provided token is not valid")
    user = status["user"]
    kind, _, account = str(user["username"]).partition("system:serviceaccount:")
    namespace, _, name = account.partition(":")
    extra = user.get("extra", {})
    if kind or not name or POD_NAME not in extra:
        raise BadToken("Provided token is not one of a pod's service account")
    return Subject(namespace, name, extra[POD_NAME][0], extra[POD_UID][0])


def apply_role_binding(binding: dict[str, Any], kubeconfig: Path) -> None:
    """Make a RoleBinding, unless it is there. Unreachable if its namespace is not there yet."""
    metadata = binding["metadata"]
    path = (
        f"/apis/rbac.authorization.k8s.io/v1/namespaces/{metadata['namespace']}/rolebindings/"
        f"{metadata['name']}?fieldManager=eks-access-policies&force=true"
    )
    _send(kubeconfig, "PATCH", path, binding)


def _send(kubeconfig: Path, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    kind = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
    try:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        request = urllib.request.Request(
            cluster["server"] + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": kind},
            method=method,
        )
        with urllib.request.urlopen(
            request, timeout=TIMEOUT, context=_context(cluster, user)
        ) as response:
            found: dict[str, Any] = json.load(response)
            return found
    except (OSError, ValueError) as error:
        raise Unreachable(f"{method} {path}: {error}") from error


def _context(cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext | None:
    if not str(cluster["server"]).startswith("https://"):
        return None
    authority = cluster.get("certificate-authority-data")
    context = ssl.create_default_context(
        cafile=cluster.get("certificate-authority"),
        cadata=base64.b64decode(authority).decode() if authority else None,
    )
    if "client-certificate" in user:
        context.load_cert_chain(user["client-certificate"], user["client-key"])
    elif "client-certificate-data" in user:
        # ssl reads a key only from a file; this one is gone when the context has it.
        with tempfile.NamedTemporaryFile() as file:
            file.write(base64.b64decode(user["client-certificate-data"]) + b"\n")
            file.write(base64.b64decode(user["client-key-data"]))
            file.flush()
            context.load_cert_chain(file.name)
    return context

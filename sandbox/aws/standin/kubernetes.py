"""Asks the API server whose service account token it is, as EKS does for Pod Identity."""

import base64
import json
import ssl
import tempfile
import urllib.error
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
    """The API server could not be asked."""


@dataclass(frozen=True)
class Subject:
    """The pod that a token was issued to."""

    namespace: str
    service_account: str
    pod_name: str
    pod_uid: str


def subject_of(token: str, kubeconfig: Path) -> Subject:
    """Who holds `token`. BadToken if it is not valid now, for our audience, in a pod."""
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": [AUDIENCE]},
    }
    status = _post(kubeconfig, "/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]
    if not status.get("authenticated") or AUDIENCE not in status.get("audiences", []):
        raise BadToken(status.get("error") or "Provided token is not valid")
    user = status["user"]
    kind, _, account = str(user["username"]).partition("system:serviceaccount:")
    namespace, _, name = account.partition(":")
    extra = user.get("extra", {})
    if kind or not name or POD_NAME not in extra:
        raise BadToken("Provided token is not one of a pod's service account")
    return Subject(namespace, name, extra[POD_NAME][0], extra[POD_UID][0])


def _post(kubeconfig: Path, path: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        request = urllib.request.Request(
            cluster["server"] + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(
            request, timeout=TIMEOUT, context=_context(cluster, user)
        ) as response:
            found: dict[str, Any] = json.load(response)
            return found
    except (OSError, urllib.error.URLError) as error:
        raise Unreachable(f"TokenReview failed: {error}") from error


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

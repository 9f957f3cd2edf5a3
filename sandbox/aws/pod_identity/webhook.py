"""The mutating webhook: what EKS adds to a pod whose service account has an association.

Beside EKS' two variables it sets the region and the emulator's address, so that no chart and
no image has to know that it runs in a sandbox. Nothing that a pod sets itself is replaced.
"""

import base64
import json
from typing import Any

from sandbox.aws.pod_identity.associations import Associations
from sandbox.instance import POD_IDENTITY_ADDRESS, REGION

AUDIENCE = "pods.eks.amazonaws.com"
VOLUME = "eks-pod-identity-token"
FOLDER = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
TOKEN_SECONDS = 86400
"""As on EKS; the kubelet renews the token before."""

Pod = dict[str, Any]
Operation = dict[str, Any]


def review(admission: dict[str, Any], associations: Associations, aws_url: str) -> dict[str, Any]:
    """The answer to one AdmissionReview."""
    request = admission["request"]
    pod = request["object"]
    account = pod["spec"].get("serviceAccountName") or "default"
    response: dict[str, Any] = {"uid": request["uid"], "allowed": True}
    if associations.cluster_of(request["namespace"], account) is not None:
        operations = patch(pod, variables(aws_url))
        if operations:
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


def variables(aws_url: str) -> dict[str, str]:
    """The environment variables of every container of the pod."""
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{POD_IDENTITY_ADDRESS}/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f"{FOLDER}/{VOLUME}",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": aws_url,
    }


def patch(pod: Pod, environment: dict[str, str]) -> list[Operation]:
    """JSON patch operations; none for a pod that has everything."""
    spec = pod["spec"]
    operations = []
    if VOLUME not in {volume["name"] for volume in spec.get("volumes") or []}:
        operations += _appended("/spec/volumes", spec.get("volumes"), [_token_volume()])
    for kind in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(kind) or []):
            operations += _container(f"/spec/{kind}/{index}", container, environment)
    return operations


def _container(path: str, container: Pod, environment: dict[str, str]) -> list[Operation]:
    known = {variable["name"] for variable in container.get("env") or []}
    missing = [{"name": k, "value": v} for k, v in environment.items() if k not in known]
    mounts = container.get("volumeMounts") or []
    mount = {"name": VOLUME, "mountPath": FOLDER, "readOnly": True}
    taken = any(item["mountPath"] == FOLDER for item in mounts)
    return [
        *_appended(f"{path}/env", container.get("env"), missing),
        *_appended(f"{path}/volumeMounts", mounts, [] if taken else [mount]),
    ]


def _appended(path: str, present: object, items: list[Any]) -> list[Operation]:
    """Operations that add `items` to a list, which may not be there yet."""
    if not items:
        return []
    if not present:
        return [{"op": "add", "path": path, "value": items}]
    return [{"op": "add", "path": f"{path}/-", "value": item} for item in items]


def _token_volume() -> dict[str, Any]:
    token = {"audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": VOLUME}
    return {"name": VOLUME, "projected": {"sources": [{"serviceAccountToken": token}]}}

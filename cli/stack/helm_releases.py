"""What an interrupted run leaves of a Helm release: a revision that stays `pending` forever.

Helm keeps a release as Secrets, one a revision, and refuses to touch one whose last revision is
pending, or being uninstalled. That revision is marked as failed, which is what Helm itself does
when it is not killed: so an upgrade makes it whole, and an uninstallation finds all of its objects
and runs its hooks.
"""

import base64
import gzip
import json
from collections.abc import Callable, Mapping
from typing import Any

from cli.cloud.kubernetes import Kubernetes, Object
from cli.stack.pending import Made, Pending, Repeatable

CUT_OFF = ("pending-install", "pending-upgrade", "pending-rollback", "uninstalling")
_FAILED = "failed"


def look(item: Pending, kubernetes: Callable[[str], Kubernetes]) -> Made | Repeatable:
    """Whether the release is there; if so Helm can work with it again."""
    name, namespace = str(item.inputs.get("name", "")), str(item.inputs.get("namespace", ""))
    if not name or not namespace:
        return Repeatable()
    client = kubernetes(namespace)
    last = last_revision(client, name, namespace)
    if last is None:
        return Repeatable()
    if last["metadata"]["labels"].get("status") in CUT_OFF:
        client.replace(marked_as_failed(last))
    return Made(f"{namespace}/{name}", unfinished=True, outputs=item.inputs)


def last_revision(client: Kubernetes, name: str, namespace: str) -> Object | None:
    """The Secret of a release's last revision; None if there is no release."""
    found = client.objects("secrets", selector=f"owner=helm,name={name}", namespace=namespace)
    return max(found, key=lambda secret: int(secret["metadata"]["labels"]["version"]), default=None)


def unpacked(secret: Mapping[str, Any]) -> dict[str, Any]:
    """What Helm knows of a revision: its own encoding is inside that of Kubernetes."""
    packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
    release: dict[str, Any] = json.loads(gzip.decompress(packed))
    return release


def marked_as_failed(secret: Mapping[str, Any]) -> dict[str, Any]:
    """The Secret of a revision, with the status of one that Helm gave up."""
    release = unpacked(secret)
    release["info"]["status"] = _FAILED
    packed = _packed(secret, release)
    metadata = secret["metadata"]
    labels = {**metadata["labels"], "status": _FAILED}
    return {**packed, "metadata": {**metadata, "labels": labels}}


def with_hook_image(secret: Mapping[str, Any], image: str) -> dict[str, Any] | None:
    """The Secret of a revision whose hooks' pods have this image; None if they have it already."""
    import yaml

    release, changed = unpacked(secret), False
    for hook in release.get("hooks") or ():
        document = yaml.safe_load(hook["manifest"])
        for container in document["spec"]["template"]["spec"]["containers"]:
            if container["image"] != image:
                container["image"] = image
                hook["manifest"], changed = yaml.safe_dump(document), True
    return _packed(secret, release) if changed else None


def _packed(secret: Mapping[str, Any], release: Mapping[str, Any]) -> dict[str, Any]:
    packed = base64.b64encode(gzip.compress(json.dumps(release).encode()))
    return {**secret, "data": {**secret["data"], "release": base64.b64encode(packed).decode()}}

"""What an interrupted run leaves of a Helm release: a revision that is for ever `pending`.

Helm keeps a release as Secrets, one a revision, and refuses to touch one whose last revision is
pending, or being uninstalled. That revision is marked as failed, which is what Helm itself does
when it is not killed: so an upgrade makes it whole, and an uninstallation finds all of its objects
and runs its hooks.
"""

import base64
import gzip
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cli.cloud.kubernetes import Kubectl
from cli.stack.pending import Made, Pending, Repeatable

CUT_OFF = ("pending-install", "pending-upgrade", "pending-rollback", "uninstalling")
_FAILED = "failed"


def look(item: Pending, kubectl: Callable[[str], Kubectl]) -> Made | Repeatable:
    """Whether the release is there; if so Helm can work with it again."""
    name, namespace = str(item.inputs.get("name", "")), str(item.inputs.get("namespace", ""))
    if not name or not namespace:
        return Repeatable()
    client = kubectl(namespace)
    revisions = client.objects("secrets", selector=f"owner=helm,name={name}")
    if not revisions:
        return Repeatable()
    last = max(revisions, key=lambda secret: int(secret["metadata"]["labels"]["version"]))
    if last["metadata"]["labels"].get("status") in CUT_OFF:
        _replace(client, marked_as_failed(last))
    return Made(f"{namespace}/{name}", unfinished=True, outputs=item.inputs)


def marked_as_failed(secret: Mapping[str, Any]) -> dict[str, Any]:
    """The Secret of a revision, with the status of one that Helm gave up."""
    # Helm's own encoding inside that of Kubernetes.
    release = json.loads(
        gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"])))
    )
    release["info"]["status"] = _FAILED
    packed = base64.b64encode(gzip.compress(json.dumps(release).encode()))
    metadata = secret["metadata"]
    return {
        **secret,
        "data": {**secret["data"], "release": base64.b64encode(packed).decode()},
        "metadata": {**metadata, "labels": {**metadata["labels"], "status": _FAILED}},
    }


def _replace(client: Kubectl, secret: Mapping[str, Any]) -> None:
    # In a file: it holds the release's values, and everybody sees a command line.
    with tempfile.NamedTemporaryFile("w", prefix="aerodrome-release-", suffix=".json") as file:
        json.dump(secret, file)
        file.flush()
        client.run("replace", f"--filename={Path(file.name)}")

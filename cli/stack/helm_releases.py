"""What an interrupted run leaves of a Helm release: a revision that is for ever `pending`.

Helm keeps a release as Secrets, one a revision, and refuses to touch one whose last revision is
pending. That revision is taken away. An upgrade then begins from the last one that was deployed. An
installation begins anew, and takes over the objects that are there: they bear the release's name.
"""

import json
from collections.abc import Callable

from cli.kubernetes import Kubectl
from cli.stack.pending import Pending

PENDING = ("pending-install", "pending-upgrade", "pending-rollback")


def unlock(item: Pending, kubectl: Callable[[str], Kubectl]) -> None:
    """Takes away the pending revisions of a release; all of them if the state does not know it."""
    name, namespace = str(item.inputs.get("name", "")), str(item.inputs.get("namespace", ""))
    if not name or not namespace:
        return
    client = kubectl(namespace)
    listed = client.run("get", "secrets", f"--selector=owner=helm,name={name}", "--output=json")
    for secret in json.loads(listed)["items"]:
        status = secret["metadata"]["labels"].get("status")
        if status in PENDING or item.operation == "creating":
            client.run("delete", "secret", secret["metadata"]["name"], "--ignore-not-found")

"""Objects of Kubernetes that an interrupted run may have made.

Pulumi applies an object on the server's side under a name of its own as the fields' manager, which
is random and only in the state. Without it another apply can meet a conflict with the first one,
for example where the server has filled a list's items with defaults. The object itself tells it.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

from cli.cloud.kubernetes import Kubectl
from cli.stack.pending import Made, Pending, Repeatable

_MANAGER = "pulumi-kubernetes"


def look(item: Pending, kubectl: Callable[[str], Kubectl]) -> Made | Repeatable:
    """Whether Pulumi has made it. What somebody else has made is Pulumi's to take over, or to refuse."""
    metadata = item.inputs.get("metadata") or {}
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if not name:
        return Repeatable()
    found = _get(kubectl(namespace or "default"), item.inputs, str(name))
    managers = [
        str(entry["manager"])
        for entry in (found or {}).get("metadata", {}).get("managedFields") or ()
        if str(entry.get("manager", "")).startswith(_MANAGER)
    ]
    if found is None or not managers:
        return Repeatable()
    where = found["metadata"].get("namespace")
    return Made(f"{where}/{name}" if where else str(name), outputs={"__fieldManager": managers[-1]})


def _get(client: Kubectl, inputs: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    # In a file kind and version are exact; on a command line kubectl chooses the version.
    document = {
        "apiVersion": inputs["apiVersion"],
        "kind": inputs["kind"],
        "metadata": {"name": name},
    }
    with tempfile.NamedTemporaryFile("w", prefix="aerodrome-object-", suffix=".json") as file:
        json.dump(document, file)
        file.flush()
        text = client.run(
            *("get", f"--filename={file.name}", "--ignore-not-found"),
            *("--show-managed-fields", "--output=json"),
        )
    found: dict[str, Any] | None = json.loads(text) if text.strip() else None
    return found

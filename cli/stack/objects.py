"""Objects of Kubernetes that an interrupted run may have made.

Pulumi applies an object on the server's side under a name of its own as the fields' manager, which
is random and only in the state. Without it another apply can meet a conflict with the first one,
for example where the server has filled a list's items with defaults. The object itself tells it.
"""

from collections.abc import Callable

from cli.cloud.kubernetes import Kubernetes, reference
from cli.stack.pending import Made, Pending, Repeatable

_MANAGER = "pulumi-kubernetes"


def look(item: Pending, kubernetes: Callable[[str], Kubernetes]) -> Made | Repeatable:
    """Whether Pulumi has made it. What somebody else has made is Pulumi's to take over, or to refuse."""
    metadata = item.inputs.get("metadata") or {}
    name, namespace = metadata.get("name"), metadata.get("namespace") or "default"
    if not name:
        return Repeatable()
    named = reference(item.inputs["apiVersion"], item.inputs["kind"], str(name), namespace)
    found = kubernetes(namespace).find_same(named)
    managers = [
        str(entry["manager"])
        for entry in (found or {}).get("metadata", {}).get("managedFields") or ()
        if str(entry.get("manager", "")).startswith(_MANAGER)
    ]
    if found is None or not managers:
        return Repeatable()
    where = found["metadata"].get("namespace")
    return Made(f"{where}/{name}" if where else str(name), outputs={"__fieldManager": managers[-1]})

"""A stack's exported state as data, changed without an engine."""

from collections.abc import Mapping
from typing import Any

KUBERNETES = "kubernetes:"


def without_cluster(deployment: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """The state without what lived in a cluster, and how many that were; unfinished steps included.

    For a cluster that is gone: an engine would ask it about each object, and wait for an answer.
    """
    resources = list(deployment.get("resources") or ())
    gone = {str(item["urn"]) for item in resources if str(item["type"]).startswith(KUBERNETES)}
    kept = [_freed(item, gone) for item in resources if item["urn"] not in gone]
    freed: dict[str, Any] = {**deployment, "resources": kept}
    if unfinished := list(deployment.get("pending_operations") or ()):
        gone |= {
            str(item["resource"]["urn"])
            for item in unfinished
            if str(item["resource"]["type"]).startswith(KUBERNETES)
        }
        freed["pending_operations"] = [
            {**item, "resource": _freed(item["resource"], gone)}
            for item in unfinished
            if item["resource"]["urn"] not in gone
        ]
    return freed, len(gone)


def _freed(item: Mapping[str, Any], gone: set[str]) -> dict[str, Any]:
    """A resource that depends on nothing of what is gone."""
    freed = dict(item)
    if "dependencies" in item:
        freed["dependencies"] = [urn for urn in item["dependencies"] if urn not in gone]
    if "propertyDependencies" in item:
        freed["propertyDependencies"] = {
            name: [urn for urn in urns or () if urn not in gone]
            for name, urns in item["propertyDependencies"].items()
        }
    if item.get("deletedWith") in gone:
        del freed["deletedWith"]
    return freed

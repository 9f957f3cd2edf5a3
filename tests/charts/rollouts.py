"""Which pods an upgrade replaces, and what pods read: of two renders of the chart."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.charts.rendering import Rendered

Object = dict[str, Any]
Secrets = Mapping[str, Mapping[str, str]]
"""The content of Secrets by name: the chart has the names only."""

NONE: Secrets = {}

KUBERNETES_OWN = "kube-root-ca.crt"
"""The ConfigMap that Kubernetes puts into each namespace."""

_WORKLOADS = ("Deployment", "StatefulSet", "Job")
_COMPONENT = "app.kubernetes.io/component"


def pods(rendered: Rendered) -> dict[str, Object]:
    """The pod that each workload makes, by its component."""
    return {
        item["metadata"]["labels"][_COMPONENT]: item["spec"]["template"]
        for item in rendered.objects
        if item["kind"] in _WORKLOADS
    }


def replaced(before: Rendered, after: Rendered) -> set[str]:
    """The components whose pods are made again; those that come or go are among them."""
    old, new = pods(before), pods(after)
    return {name for name in old | new if old.get(name) != new.get(name)}


def read_anew(
    before: Rendered, after: Rendered, old: Secrets = NONE, new: Secrets = NONE
) -> set[str]:
    """The components for whose pods anything is different: in what they are or in what they read."""
    was, now = pods(before), pods(after)
    return {
        name
        for name in was | now
        if name not in was
        or name not in now
        or _bare(was[name]) != _bare(now[name])
        or list(_content(was[name], before, old)) != list(_content(now[name], after, new))
    }


def _bare(pod: Object) -> Object:
    """A pod without the annotations that are there to replace it."""
    notes = pod["metadata"].get("annotations", {})
    kept = {key: value for key, value in notes.items() if not key.startswith("checksum/")}
    return {**pod, "metadata": {**pod["metadata"], "annotations": kept}}


def _content(pod: Object, rendered: Rendered, secrets: Secrets) -> Iterator[str]:
    """Of every ConfigMap, and every key of a Secret, that a pod gets at its start."""
    for kind, name, key in _references(pod["spec"]):
        if name == KUBERNETES_OWN:
            continue
        of_maps = kind == "ConfigMap"
        held = rendered.find(kind, name)["data"] if of_maps else secrets.get(name, {})
        yield f"{kind} {name} {json.dumps(held if key is None else held.get(key), sort_keys=True)}"


def _references(node: Any) -> Iterator[tuple[str, str, str | None]]:
    match node:
        case {"secretKeyRef": {"name": name, "key": key}}:
            yield "Secret", name, key
        case {"configMapRef": {"name": name}} | {"configMap": {"name": name}}:
            yield "ConfigMap", name, None
        case {"secretRef": {"name": name}}:
            yield "Secret", name, None
        case {"secret": {"secretName": name, "items": items}}:
            for item in items:
                yield "Secret", name, item["key"]
        case {"secret": {"secretName": name}}:
            yield "Secret", name, None
        case dict():
            for value in node.values():
                yield from _references(value)
        case list():
            for value in node:
                yield from _references(value)

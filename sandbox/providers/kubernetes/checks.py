"""Check of an object: its name, its namespace, and what is refused before anything is changed.

Called by `provider.py`. Needs the cluster only for kinds that are not Kubernetes's own.
"""

from collections.abc import Callable
from typing import Any

from sandbox.providers.contract import CheckFailure, CheckRequest, CheckResult
from sandbox.providers.kubernetes.kinds import Kind, kind_of
from sandbox.providers.kubernetes.objects import (
    AUTONAMED,
    REFUSED_ANNOTATIONS,
    annotation,
    autoname,
    conceal,
    is_true,
    without_read_only,
)
from sandbox.wire.values import UNKNOWN, Properties


def check(
    request: CheckRequest, default_namespace: str, namespaced: Callable[[Kind], bool]
) -> CheckResult:
    """The inputs with name, namespace and kind filled in."""
    kind = kind_of(request.type)
    inputs = {key: value for key, value in request.news.items() if value is not None}
    inputs.setdefault("apiVersion", kind.api_version)
    inputs.setdefault("kind", kind.kind)
    inputs = without_read_only(inputs)
    failures = _failures(inputs)
    metadata = inputs.get("metadata")
    if metadata is not UNKNOWN and not failures:
        named = _named(request, dict(metadata or {}))
        if not named.get("namespace") and namespaced(kind):
            named["namespace"] = default_namespace
        inputs["metadata"] = named
    return CheckResult(conceal(inputs), failures)


def _named(request: CheckRequest, metadata: dict[str, Any]) -> dict[str, Any]:
    """`metadata` with a name: the given one, the one it has, or a new one."""
    if metadata.get("name"):
        return metadata
    old: Properties = request.olds.get("metadata") or {}
    if is_true(request.olds, AUTONAMED) and old.get("name"):
        metadata["name"] = old["name"]
    else:
        metadata["name"] = autoname(request.name, request.random_seed)
    annotations = metadata.get("annotations")
    if annotations is not UNKNOWN:
        metadata["annotations"] = {**(annotations or {}), AUTONAMED: "true"}
    return metadata


def _failures(inputs: Properties) -> list[CheckFailure]:
    failures = []
    metadata = inputs.get("metadata")
    if isinstance(metadata, dict):
        if metadata.get("generateName") and not metadata.get("name"):
            reason = "`.metadata.generateName` is not supported with server-side apply"
            failures.append(CheckFailure("metadata.generateName", reason))
    elif metadata is not None and metadata is not UNKNOWN:
        failures.append(CheckFailure("metadata", "must be an object"))
    failures += [
        CheckFailure("metadata.annotations", f"the sandbox does not know the annotation {key}")
        for key in REFUSED_ANNOTATIONS
        if annotation(inputs, key)
    ]
    return failures

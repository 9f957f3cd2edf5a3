"""What changed between two sets of inputs, and what of it Kubernetes can not change in place.

Pure. The table is pulumi-kubernetes's list of such fields, by kind.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.providers.contract import DiffResult
from sandbox.providers.kubernetes.objects import AUTONAMED, is_true, secret_data
from sandbox.wire.values import UNKNOWN

Path = tuple[str, ...]

_IDENTITY: frozenset[Path] = frozenset(
    {
        ("kind",),
        ("metadata", "name"),
        ("metadata", "namespace"),
    }
)

# A Pod's specification but for the few fields that Kubernetes lets change.
_POD_MUTABLE: frozenset[Path] = frozenset(
    {
        ("spec", "activeDeadlineSeconds"),
        ("spec", "tolerations"),
        ("spec", "schedulingGates"),
    }
)

_IMMUTABLE: Mapping[tuple[str, str], frozenset[Path]] = {
    ("apps", "Deployment"): frozenset({("spec", "selector")}),
    ("apps", "DaemonSet"): frozenset({("spec", "selector")}),
    ("apps", "StatefulSet"): frozenset(
        {
            ("spec", "podManagementPolicy"),
            ("spec", "revisionHistoryLimit"),
            ("spec", "selector"),
            ("spec", "serviceName"),
            ("spec", "volumeClaimTemplates"),
        }
    ),
    ("batch", "Job"): frozenset(
        {
            ("spec", "completions"),
            ("spec", "parallelism"),
            ("spec", "selector"),
            ("spec", "template"),
        }
    ),
    ("", "PersistentVolumeClaim"): frozenset(
        {
            ("spec", "accessModes"),
            ("spec", "selector"),
            ("spec", "storageClassName"),
            ("spec", "volumeName"),
        }
    ),
    ("", "ResourceQuota"): frozenset({("spec", "scopes")}),
    ("", "Secret"): frozenset({("type",)}),
    ("", "Service"): frozenset({("spec", "clusterIP")}),
    ("rbac.authorization.k8s.io", "RoleBinding"): frozenset({("roleRef",)}),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): frozenset({("roleRef",)}),
    ("storage.k8s.io", "StorageClass"): frozenset({("parameters",), ("provisioner",)}),
}

_PERSISTENT_VOLUME_MUTABLE: frozenset[Path] = frozenset(
    {
        ("spec", field)
        for field in (
            "accessModes",
            "capacity",
            "claimRef",
            "mountOptions",
            "nodeAffinity",
            "persistentVolumeReclaimPolicy",
            "storageClassName",
            "volumeAttributesClassName",
            "volumeMode",
        )
    }
)


def diff(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    *,
    config_map_mutable: bool,
    secret_mutable: bool,
) -> DiffResult:
    """What to do about `new` where `old` is."""
    paths = list(_changed((), _comparable(old), _comparable(new)))
    mutable = {"ConfigMap": config_map_mutable, "Secret": secret_mutable}
    replaces = sorted({path[0] for path in paths if _replaces(path, new, mutable)})
    return DiffResult(
        changes=sorted({path[0] for path in paths}),
        replaces=replaces,
        delete_before_replace=bool(replaces) and _same_place(old, new),
    )


def _comparable(inputs: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in inputs.items() if value is not None}
    if kept.get("kind") == "Secret" and ("data" in kept or "stringData" in kept):
        kept["data"] = secret_data(kept)
        kept.pop("stringData", None)
    return kept


def _changed(path: Path, old: Any, new: Any) -> Iterator[Path]:
    """Paths of the values that differ; lists are values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() | new.keys():
            yield from _changed((*path, key), old.get(key), new.get(key))
    elif new is UNKNOWN or old != new:
        yield path


def _replaces(path: Path, inputs: Mapping[str, Any], mutable: Mapping[str, bool]) -> bool:
    group = str(inputs.get("apiVersion", "")).rpartition("/")[0]
    kind = str(inputs.get("kind", ""))
    if any(_touches(path, fixed) for fixed in _IDENTITY):
        return True
    if kind in mutable and not group and path[0] in ("data", "binaryData"):
        return not mutable[kind] or inputs.get("immutable") is True
    if not group and kind == "Pod":
        return path[0] == "spec" and not any(_touches(path, free) for free in _POD_MUTABLE)
    if not group and kind == "PersistentVolume":
        free = _PERSISTENT_VOLUME_MUTABLE
        return path[0] == "spec" and not any(_touches(path, field) for field in free)
    fixed_fields = _IMMUTABLE.get((group, kind), frozenset())
    return any(_touches(path, fixed) for fixed in fixed_fields)


def _touches(path: Path, field: Path) -> bool:
    """Whether a change at `path` is one of `field`: inside it, or of something around it."""
    shared = min(len(path), len(field))
    return path[:shared] == field[:shared]


def _same_place(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether the replacement would meet the old object under its name."""
    if is_true(new, AUTONAMED):
        return False
    before, after = old.get("metadata") or {}, new.get("metadata") or {}
    if (
        before is UNKNOWN
        or after is UNKNOWN
        or UNKNOWN in (after.get("name"), after.get("namespace"))
    ):
        return False
    same_name = before.get("name") == after.get("name")
    return same_name and (before.get("namespace") or "") == (after.get("namespace") or "")

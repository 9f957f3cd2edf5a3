"""Who owns which field of a live object, as its managedFields say. Pure; for `lifecycle.py`."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from sandbox.wire.values import Properties


def owns(live: Mapping[str, Any], manager: str) -> bool:
    """Whether `manager` ever set a field of `live`."""
    return any(entry.get("manager") == manager for entry in _entries(live))


def leave_to_others(
    body: Properties, live: Mapping[str, Any] | None, manager: str, ignored: Sequence[str]
) -> Properties:
    """`body` with the paths that the program ignores: others' are left out, ours stay as they are.

    Sending a field that another manager owns would be a conflict; leaving out one of ours
    would remove it.
    """
    if live is None:
        return body
    changed = deepcopy(body)
    for path in ignored:
        keys = path.split(".")
        if not _get(changed, keys)[0]:
            continue
        there, value = _get(live, keys)
        if _owned(live, manager, keys) or not there:
            _set(changed, keys, value if there else _get(body, keys)[1])
        else:
            _remove(changed, keys)
    return changed


def _entries(live: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return (live.get("metadata") or {}).get("managedFields") or ()


def _owned(live: Mapping[str, Any], manager: str, keys: Sequence[str]) -> bool:
    fields = [
        entry.get("fieldsV1") or {} for entry in _entries(live) if entry.get("manager") == manager
    ]
    return any(_get(field, [f"f:{key}" for key in keys])[0] for field in fields)


def _get(node: Any, keys: Sequence[str]) -> tuple[bool, Any]:
    for key in keys:
        if not isinstance(node, dict) or key not in node:
            return False, None
        node = node[key]
    return True, node


def _set(node: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    for key in keys[:-1]:
        node = node[key]
    node[keys[-1]] = value


def _remove(node: dict[str, Any], keys: Sequence[str]) -> None:
    for key in keys[:-1]:
        node = node[key]
    del node[keys[-1]]

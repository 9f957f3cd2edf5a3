"""What two engines' states must have in common, in a form that can be compared.

Order is random in either engine, so lists of URNs are sets; what is made up anew in every
run (ids, autonames, ciphertexts, digests) is replaced by a star.
"""

import re
from collections.abc import Mapping
from typing import Any

from sandbox.wire.marshal import SECRET, SIGNATURE

Resources = dict[str, dict[str, Any]]

_MADE_UP = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # a UUID
    r"|(?<![0-9A-Za-z])[0-9a-f]{7,64}(?![0-9A-Za-z])"  # an autoname's end, an id, a digest
    r"|\bA[KRIS][A-Z]{2}[A-Z0-9]{12,17}\b"  # IAM's unique ids and access keys
    r"|(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\d|\.\d|/)"  # an elastic address
)
_FACTS = ("type", "custom", "parent", "external", "protect", "retainOnDelete", "deletedWith")
_LISTS = ("dependencies", "ignoreChanges", "replaceOnChanges", "additionalSecretOutputs")


def comparable(deployment: Mapping[str, Any]) -> Resources:
    """A `pulumi stack export` or checkpoint's resources by URN."""
    return {item["urn"]: _resource(item) for item in deployment.get("resources") or ()}


def _resource(item: Mapping[str, Any]) -> dict[str, Any]:
    by_property = item.get("propertyDependencies") or {}
    return {
        **{key: item.get(key) or None for key in _FACTS},
        **{key: sorted(item.get(key) or ()) for key in _LISTS},
        "id": bool(item.get("id")),
        # URN::ID, of which the id is made up.
        "provider": (item.get("provider") or "").rpartition("::")[0],
        "propertyDependencies": {key: sorted(urns) for key, urns in by_property.items() if urns},
        "inputs": _value(item.get("inputs") or {}),
        "outputs": sorted(item.get("outputs") or {}),
        "secret outputs": sorted(
            key for key, value in (item.get("outputs") or {}).items() if _is_secret(value)
        ),
    }


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value.get(SIGNATURE) == SECRET


def _value(value: Any) -> Any:
    match value:
        case dict() if _is_secret(value):
            return "[secret]"
        case dict():
            return {key: _value(inner) for key, inner in value.items()}
        case list():
            return [_value(inner) for inner in value]
        case str():
            return _MADE_UP.sub("*", value)
    return value


def differences(ours: Resources, theirs: Resources) -> list[str]:
    """One line for each difference; empty if there is none."""
    found = [f"only the embedded engine has {urn}" for urn in sorted(ours.keys() - theirs.keys())]
    found += [f"only Pulumi's engine has {urn}" for urn in sorted(theirs.keys() - ours.keys())]
    for urn in sorted(ours.keys() & theirs.keys()):
        mine, other = ours[urn], theirs[urn]
        found += [
            f"{urn}: {key} is {mine[key]!r} with the embedded engine, {other[key]!r} with Pulumi's"
            for key in mine
            if mine[key] != other[key]
        ]
    return found

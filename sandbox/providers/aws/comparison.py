"""The comparison of property values: when two mean the same, and which of them to keep.

AWS gives back sets in any order, policies with other white space, and nested settings with
its own defaults added. None of that is a difference.
"""

import json
from typing import Any

from sandbox.wire.values import UNKNOWN, Value


def same(one: Value, other: Value, *, json_text: bool = False, ordered: bool = False) -> bool:
    """Whether a program that says `one` and a cloud that says `other` agree."""
    if json_text:
        one, other = _parsed(one), _parsed(other)
    return bool(canonical(one, ordered=ordered) == canonical(other, ordered=ordered))


def canonical(value: Value, *, ordered: bool = False) -> Any:
    """`value` without what means nothing: order, None, empty containers."""
    match value:
        case dict():
            inner = {k: canonical(v, ordered=ordered) for k, v in value.items()}
            return {k: v for k, v in inner.items() if v is not None} or None
        case list() | tuple():
            items = [canonical(v, ordered=ordered) for v in value]
            return (items if ordered else sorted(items, key=_key)) or None
        case _:
            return value


def project(wanted: Value, actual: Value) -> Value:
    """`actual` reduced to what `wanted` speaks of; `wanted` itself where they agree.

    What the program does not mention is the cloud's to decide.
    """
    match wanted, actual:
        case dict(), dict():
            return {
                key: project(value, actual[key]) if key in actual else value
                for key, value in wanted.items()
                if actual.get(key, value) is not None
            }
        case list(), list() if len(wanted) == len(actual):
            pairs = zip(sorted(wanted, key=_key), sorted(actual, key=_key), strict=True)
            projected = [project(one, other) for one, other in pairs]
            return wanted if same(wanted, projected) else projected
        case _:
            return wanted if same(wanted, actual) else actual


def _parsed(value: Value) -> Value:
    if not isinstance(value, str):
        return value
    try:
        return _policy(json.loads(value))
    except ValueError:
        return value


def _policy(value: Any) -> Any:
    """IAM takes one string and a list of one string for the same."""
    match value:
        case [str() as only]:
            return only
        case list():
            return [_policy(inner) for inner in value]
        case dict():
            return {key: _policy(inner) for key, inner in value.items()}
        case _:
            return value


def _key(value: Any) -> str:
    return "?" if value is UNKNOWN else json.dumps(value, sort_keys=True, default=repr)

"""How properties differ, and which of the differences the program wants ignored.

Providers say what a change of a custom resource means; the comparison here serves
components, providers that leave the answer open, and the display.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.engine.model.step import Change
from sandbox.wire.values import Output, Properties, Secret

_PATH_PART = re.compile(r"""\.?([^.\[\]"]+)|\[(\d+|\*)\]|\["((?:[^"\\]|\\.)*)"\]""")


@dataclass(frozen=True, slots=True)
class Difference:
    """A provider's answer to Diff."""

    changed: bool
    keys: tuple[str, ...] = ()
    """Top-level properties that differ."""

    replaces: tuple[str, ...] = ()
    """Paths of those that can not be changed in place."""

    delete_before_replace: bool = False


NONE = Difference(False)


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> Difference:
    """A plain comparison of two sets of inputs."""
    keys = tuple(sorted(k for k in old.keys() | new.keys() if not equal(old.get(k), new.get(k))))
    return Difference(bool(keys), keys)


def equal(left: Any, right: Any) -> bool:
    """Whether two values are the same to the cloud: secretness does not count."""
    while isinstance(left, Secret | Output):
        left = left.value
    while isinstance(right, Secret | Output):
        right = right.value
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[k], right[k]) for k in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    # In Python True == 1.
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def changes(
    old: Mapping[str, Any], new: Mapping[str, Any], replaces: Iterable[str] = ()
) -> list[Change]:
    """The differences in detail, for the display."""
    replacing = {parse_path(path)[0] for path in replaces if path}
    found = []
    for key in sorted(old.keys() | new.keys()):
        for change in _changes(key, old.get(key), new.get(key), secret=False):
            found.append(Change(change.path, change.kind, change.old, change.new, key in replacing))
    return found


def _changes(path: str, old: Any, new: Any, *, secret: bool) -> Iterator[Change]:
    secret = secret or isinstance(old, Secret) or isinstance(new, Secret)
    old = old.value if isinstance(old, Secret | Output) else old
    new = new.value if isinstance(new, Secret | Output) else new
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _changes(f"{path}.{key}", old.get(key), new.get(key), secret=secret)
        return
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _changes(f"{path}[{index}]", before, after, secret=secret)
        return
    if equal(old, new):
        return
    kind = "add" if old is None else "delete" if new is None else "update"
    if secret:
        old = None if old is None else Secret(old)
        new = None if new is None else Secret(new)
    yield Change(path, kind, old, new)


def parse_path(path: str) -> list[str | int]:
    """A property path as Pulumi writes it: `a.b`, `a[0]`, `a["x.y"]`, `a[*]`."""
    parts: list[str | int] = []
    for match in _PATH_PART.finditer(path):
        plain, index, quoted = match.groups()
        if plain is not None:
            parts.append(plain)
        elif quoted is not None:
            parts.append(re.sub(r"\\(.)", r"\1", quoted))
        else:
            parts.append("*" if index == "*" else int(index))
    return parts or [path]


def ignore_changes(old: Mapping[str, Any], new: Properties, paths: Iterable[str]) -> Properties:
    """`new` with the old value at every path that the program wants ignored."""
    result: Any = new
    for path in paths:
        result = _carry_over(old, result, parse_path(path))
    kept: Properties = result
    return kept


_MISSING: Any = object()


def _carry_over(old: Any, new: Any, path: list[str | int]) -> Any:
    """`new` with what `old` has at `path`; where a step of the path is missing in both,
    nothing changes."""
    old = old.value if isinstance(old, Secret) else old
    if isinstance(new, Secret):
        return Secret(_carry_over(old, new.value, path))
    head, rest = path[0], path[1:]
    if isinstance(new, dict):
        before = old if isinstance(old, Mapping) else {}
        keys = list(before.keys() | new.keys()) if head == "*" else [str(head)]
        result = dict(new)
        for key in keys:
            value = _replaced(before.get(key, _MISSING), result.get(key, _MISSING), rest)
            if value is _MISSING:
                result.pop(key, None)
            else:
                result[key] = value
        return result
    if isinstance(new, list) and isinstance(old, list):
        shared = range(min(len(old), len(new)))
        places = list(shared) if head == "*" else [head] if head in shared else []
        items = list(new)
        for place in places:
            items[int(place)] = _replaced(old[int(place)], items[int(place)], rest)
        return items
    return new


def _replaced(old: Any, new: Any, rest: list[str | int]) -> Any:
    if not rest:
        return old
    if new is _MISSING or old is _MISSING:
        return new
    return _carry_over(old, new, rest)


def touches(paths: Iterable[str], key: str) -> bool:
    """Whether one of the paths lies in the top-level property `key`, or is `*`."""
    heads = [parse_path(path)[0] for path in paths]
    return key in heads or "*" in heads

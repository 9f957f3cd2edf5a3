"""Property values as plain Python, plus the kinds that JSON does not have.

A value is None, bool, int, float, str, list, dict[str, value] or one of the classes
below. Whole numbers are `int`: protobuf's Struct knows only doubles, and Pulumi's own
state writes them without a fraction. Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Value: TypeAlias = Any
Properties: TypeAlias = dict[str, Value]


class Unknown:
    """A value that is not known before `up`; compare with `is UNKNOWN`."""

    _instance: Unknown | None = None

    def __new__(cls) -> Unknown:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Secret:
    """A value that may not be shown or stored in clear. Never nested in another Secret."""

    value: Value

    def __repr__(self) -> str:
        # A secret that reaches a log or a traceback must still be none.
        return "Secret(...)"


@dataclass(frozen=True)
class ResourceReference:
    """A resource as a value. `resource_id` is None for components, UNKNOWN in previews."""

    urn: str
    resource_id: Any = None
    package_version: str = ""


def walk(value: Value) -> Iterator[Value]:
    """`value` and everything inside it, outermost first."""
    yield value
    match value:
        case dict():
            for inner in value.values():
                yield from walk(inner)
        case list():
            for inner in value:
                yield from walk(inner)
        case Secret():
            yield from walk(value.value)


def transform(value: Value, change: Callable[[Value], Value]) -> Value:
    """A copy of `value` with `change` applied to every node, innermost first."""
    match value:
        case dict():
            value = {key: transform(inner, change) for key, inner in value.items()}
        case list():
            value = [transform(inner, change) for inner in value]
        case Secret():
            value = Secret(transform(value.value, change))
    return change(value)


def has_unknowns(value: Value) -> bool:
    """Whether anything inside `value` is not known yet."""
    return any(inner is UNKNOWN for inner in walk(value))


def has_secrets(value: Value) -> bool:
    """Whether anything inside `value` is secret."""
    return any(isinstance(inner, Secret) for inner in walk(value))


def reveal(value: Value) -> Value:
    """`value` without its secret wrappers: for the cloud, never for people."""

    def unwrap(node: Value) -> Value:
        return node.value if isinstance(node, Secret) else node

    return transform(value, unwrap)

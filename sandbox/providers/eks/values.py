"""Computing with values that may be unknown, secret, or depend on resources."""

from collections.abc import Callable
from typing import Any

from sandbox.wire.values import (
    UNKNOWN,
    Output,
    ResourceReference,
    Value,
    has_secrets,
    has_unknowns,
    reveal,
    walk,
)


def combine(function: Callable[..., Value], *values: Value) -> Output:
    """`function` of the plain values; unknown if one of them is, secret if one of them is."""
    plain = [reveal(value) for value in values]
    return Output(
        UNKNOWN if has_unknowns(plain) else function(*plain),
        secret=any(has_secrets(value) for value in values),
        dependencies=frozenset().union(*(dependencies(value) for value in values)),
    )


def dependencies(value: Value) -> frozenset[str]:
    """The URNs that a value depends on."""
    urns: set[str] = set()
    for inner in walk(value):
        match inner:
            case Output():
                urns |= inner.dependencies
            case ResourceReference():
                urns.add(inner.urn)
    return frozenset(urns)


def plain(value: Value) -> Any:
    """`value` without wrappers, with UNKNOWN where it is not known."""
    revealed = reveal(value)
    return UNKNOWN if has_unknowns(revealed) else revealed

"""Deleting first: those that cannot live without the old one go before it, in reverse order."""

from typing import Any

import pytest

from sandbox.errors import KitError

CHAIN = """
a = Thing("a", immutable={value}, opts=O(delete_before_replace=True))
b = Thing("b", immutable=a.arn)
c = Thing("c", size=b.arn)
Thing("d", size=a.arn)
"""


def test_the_old_one_is_deleted_first(stack: Any) -> None:
    program = 'Thing("a", name="fixed", immutable={value}, deleteFirst=True)'
    stack.up(program.format(value=1))
    stack.forget_calls()
    result = stack.up(program.format(value=2))
    assert result.changes == {"same": 1, "replace": 1}
    assert stack.calls("create", "delete") == ["delete a", "create a"]


def test_dependents_that_must_be_replaced_go_with_it(stack: Any) -> None:
    stack.up(CHAIN.format(value=1))
    stack.forget_calls()
    result = stack.up(CHAIN.format(value=2))
    assert result.changes == {"same": 1, "replace": 2, "update": 2}
    calls = stack.calls("create", "update", "delete")
    assert calls[:4] == ["delete b", "delete a", "create a", "create b"] or calls[:2] == [
        "delete b",
        "delete a",
    ]
    assert calls.index("create a") < calls.index("create b") < calls.index("update c")
    assert len(stack.cloud()) == 4


def test_a_protected_dependent_stops_it_before_anything_is_deleted(stack: Any) -> None:
    program = """
    a = Thing("a", immutable={value}, opts=O(delete_before_replace=True))
    Thing("b", immutable=a.arn, opts=O(protect=True))
    """
    stack.up(program.format(value=1))
    before = stack.cloud()
    with pytest.raises(KitError, match="protected"):
        stack.up(program.format(value=2))
    assert stack.cloud() == before


def test_a_run_that_ends_in_between_is_made_good_by_the_next(stack: Any) -> None:
    stack.up(CHAIN.format(value=1))
    stack.faults(create_a="fail")
    with pytest.raises(KitError):
        stack.up(CHAIN.format(value=2))
    stack.verify()
    assert sorted(t["urn"][-1] for t in stack.cloud().values()) == ["c", "d"]
    stack.faults()
    stack.up(CHAIN.format(value=2))
    assert stack.names() == ["a", "b", "c", "d"]
    assert len(stack.cloud()) == 4

"""Replacing: the new one is made first, what depends on it follows, the old one goes last."""

from typing import Any

TWO = 'a = Thing("a", immutable={value})\nThing("b", of=a.arn)'


def test_the_new_one_is_created_before_the_old_one_is_deleted(stack: Any) -> None:
    stack.up(TWO.format(value=1))
    old = stack.resource("a").id
    stack.forget_calls()
    result = stack.up(TWO.format(value=2))
    assert result.changes == {"same": 1, "replace": 1, "update": 1}
    assert stack.calls("create", "update", "delete") == ["create a", "update b", "delete a"]
    assert stack.resource("a").id != old
    assert old not in stack.cloud()
    assert stack.resource("b").inputs["of"] == f"arn:{stack.resource('a').id}"


def test_check_is_asked_twice_with_one_seed_and_no_old_inputs(stack: Any) -> None:
    stack.up('Thing("a", immutable=1)')
    stack.forget_calls()
    stack.up('Thing("a", immutable=2)')
    # The second check knew no old name, so the autoname is new.
    assert stack.calls("check") == ["check a", "check a"]
    assert len(stack.cloud()) == 1


def test_replace_on_changes_turns_an_update_into_a_replacement(stack: Any) -> None:
    program = 'Thing("a", size={size}, opts=O(replace_on_changes=["size"]))'
    stack.up(program.format(size=1))
    result = stack.up(program.format(size=2))
    assert result.changes == {"same": 1, "replace": 1}


def test_preview_shows_one_replacement_and_changes_nothing(stack: Any) -> None:
    stack.up(TWO.format(value=1))
    stack.program(TWO.format(value=2))
    before = stack.cloud()
    result = stack.preview()
    assert result.changes == {"same": 1, "replace": 1, "update": 1}
    assert stack.cloud() == before


def test_replace_with_takes_another_along(stack: Any) -> None:
    program = 'a = Thing("a", immutable={value})\nThing("b", opts=O(replace_with=[a]))'
    stack.up(program.format(value=1))
    result = stack.up(program.format(value=2))
    assert result.changes == {"same": 1, "replace": 2}

"""Secrets that a provider gives back are marked again."""

from sandbox.providers.translation import keep_secret
from sandbox.wire.values import Secret


def test_what_came_back_unchanged_keeps_its_inner_marks() -> None:
    before = {"a": {"b": Secret("x"), "c": "y"}, "d": "z"}
    after = {"a": {"b": "x", "c": "y"}, "d": "z", "e": 1}
    assert keep_secret(before, after) == {"a": before["a"], "d": "z", "e": 1}


def test_what_changed_becomes_secret_as_a_whole() -> None:
    before = {"a": {"b": Secret("x")}}
    assert keep_secret(before, {"a": {"b": "X"}}) == {"a": Secret({"b": "X"})}


def test_a_copy_of_the_inputs_among_the_outputs_is_marked_like_them() -> None:
    inputs = {"name": "web", "values": {"key": Secret("x")}}
    copy = {"name": "web", "values": {"key": "x"}}
    created = keep_secret(inputs, {**copy, "__inputs": copy})
    assert created == {**inputs, "__inputs": inputs}
    # A refresh marks by the inputs, then by the outputs that were there before.
    read = keep_secret(created, keep_secret(inputs, {**copy, "__inputs": copy}))
    assert read == created

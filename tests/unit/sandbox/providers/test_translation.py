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

"""Property paths, what counts as equal, and carrying over ignored changes."""

from typing import Any

import pytest

from sandbox.engine.model import diff
from sandbox.wire.values import Secret


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("a", ["a"]),
        ("a.b", ["a", "b"]),
        ("a[0].b", ["a", 0, "b"]),
        ("a[*]", ["a", "*"]),
        ('a["x.y"]', ["a", "x.y"]),
        ('a["q\\"q"]', ["a", 'q"q']),
    ],
)
def test_paths_are_read_as_pulumi_writes_them(path: str, parts: list[Any]) -> None:
    assert diff.parse_path(path) == parts


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a", {"a": 1, "b": {"c": 20, "d": 30}, "l": [7, 8]}),
        ("b.c", {"a": 10, "b": {"c": 2, "d": 30}, "l": [7, 8]}),
        ("l[1]", {"a": 10, "b": {"c": 20, "d": 30}, "l": [7, 6]}),
        ("b.*", {"a": 10, "b": {"c": 2, "d": 3}, "l": [7, 8]}),
        ("l[5]", {"a": 10, "b": {"c": 20, "d": 30}, "l": [7, 8]}),
        ("b.gone", {"a": 10, "b": {"c": 20, "d": 30}, "l": [7, 8]}),
    ],
)
def test_ignored_changes_take_the_old_value(path: str, expected: Any) -> None:
    old = {"a": 1, "b": {"c": 2, "d": 3}, "l": [5, 6]}
    new = {"a": 10, "b": {"c": 20, "d": 30}, "l": [7, 8]}
    if path == "b.*":
        path = "b[*]"
    assert diff.ignore_changes(old, new, [path]) == expected


def test_an_ignored_new_property_is_not_added_and_an_old_one_not_removed() -> None:
    assert diff.ignore_changes({}, {"a": 1, "b": 2}, ["a"]) == {"b": 2}
    assert diff.ignore_changes({"a": 1}, {"b": 2}, ["a"]) == {"a": 1, "b": 2}


def test_secretness_is_no_difference_to_the_cloud() -> None:
    assert diff.equal({"a": Secret("x")}, {"a": "x"})
    assert not diff.equal({"a": Secret("x")}, {"a": "y"})
    assert not diff.equal(True, 1)


def test_changes_in_detail_keep_secrets_wrapped() -> None:
    changes = diff.changes(
        {"a": {"x": 1}, "s": Secret("old"), "l": [1, 2]},
        {"a": {"x": 2}, "s": Secret("new"), "l": [1, 3], "n": 0},
        ["a.x"],
    )
    assert [(c.path, c.kind, c.replaces) for c in changes] == [
        ("a.x", "update", True),
        ("l[1]", "update", False),
        ("n", "add", False),
        ("s", "update", False),
    ]
    assert changes[3].new == Secret("new")

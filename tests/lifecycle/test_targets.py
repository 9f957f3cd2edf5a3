"""--target: everything else stays as it is."""

from typing import Any


def test_only_targets_are_updated_and_deleted(stack: Any) -> None:
    stack.up('Thing("a", size=1)\nThing("b", size=1)\nThing("c")\nThing("d")')
    urns = {name: stack.resource(name).urn for name in "abcd"}
    result = stack.up(
        'Thing("a", size=2)\nThing("b", size=2)\nThing("new")', targets=[urns["a"], urns["c"]]
    )
    assert result.changes["update"] == 1
    assert result.changes["delete"] == 1
    assert stack.names() == ["a", "b", "d"]
    assert stack.resource("a").inputs["size"] == 2
    assert stack.resource("b").inputs["size"] == 1


def test_destroying_a_target(stack: Any) -> None:
    stack.up('Thing("a")\nThing("b")')
    stack.destroy(targets=[stack.resource("a").urn])
    assert stack.names() == ["b"]

"""Refresh looks at the world; the next up repairs what was changed behind its back."""

from typing import Any


def test_drift_is_seen_and_repaired(stack: Any) -> None:
    stack.up('Thing("a", size=1)')

    def grow(things: dict[str, Any]) -> None:
        for thing in things.values():
            thing["inputs"]["size"] = 99

    stack.change_cloud(grow)
    result = stack.refresh()
    assert result.changes == {"same": 1, "update": 1}
    assert stack.resource("a").outputs["size"] == 99
    assert stack.up().changes == {"same": 1, "update": 1}
    assert next(iter(stack.cloud().values()))["inputs"]["size"] == 1


def test_what_is_gone_leaves_the_state_and_is_made_anew(stack: Any) -> None:
    stack.up('a = Thing("a", name="fixed")\nThing("b", of=a.arn)')
    stack.change_cloud(lambda things: things.pop("id-fixed"))
    result = stack.refresh()
    assert result.changes == {"same": 2, "delete": 1}
    assert stack.names() == ["b"]
    assert stack.up().changes == {"same": 2, "create": 1}


def test_nothing_changed(stack: Any) -> None:
    stack.up('Thing("a", key=pulumi.Output.secret("x"))')
    before = stack.document()
    assert stack.refresh().changes == {"same": 2}
    assert stack.document()["checkpoint"] == before["checkpoint"]


def test_up_with_refresh_does_both(stack: Any) -> None:
    stack.up('Thing("a", name="fixed")')
    stack.change_cloud(lambda things: things.clear())
    assert stack.up(refresh=True).changes == {"same": 1, "create": 1}
    assert list(stack.cloud()) == ["id-fixed"]

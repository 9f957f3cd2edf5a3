"""The four steps without which there is no engine."""

import shutil
from dataclasses import replace
from typing import Any

from sandbox.engine import operations


def test_a_new_resource_is_created(stack: Any) -> None:
    result = stack.up('a = Thing("a", size=3)\npulumi.export("arn", a.arn)')
    assert result.changes == {"create": 2}
    (identity,) = stack.cloud()
    assert stack.cloud()[identity]["inputs"]["size"] == 3
    assert result.outputs == {"arn": f"arn:{identity}"}
    assert stack.resource("a").id == identity


def test_nothing_is_done_when_nothing_changed(stack: Any) -> None:
    program = 'a = Thing("a", size=3)\nThing("b", other=a.arn)'
    stack.up(program)
    stack.forget_calls()
    result = stack.up(program)
    assert result.changes == {"same": 3}
    assert not result.changed
    assert stack.calls("create", "update", "delete") == []


def test_a_changed_input_updates_in_place(stack: Any) -> None:
    stack.up('Thing("a", size=3)')
    identity = stack.resource("a").id
    result = stack.up('Thing("a", size=4)')
    assert result.changes == {"same": 1, "update": 1}
    assert [(s.name, list(s.keys)) for s in result.steps if s.op == "update"] == [("a", ["size"])]
    assert stack.cloud()[identity]["inputs"]["size"] == 4


def test_what_the_program_no_longer_has_is_deleted(stack: Any) -> None:
    stack.up('Thing("a")\nThing("b")')
    result = stack.up('Thing("a")')
    assert result.changes == {"same": 2, "delete": 1}
    assert stack.names() == ["a"]
    assert len(stack.cloud()) == 1


def test_destroy_leaves_nothing(stack: Any) -> None:
    stack.up('a = Thing("a")\nThing("b", of=a.arn)')
    result = stack.destroy()
    assert result.changes == {"delete": 3}
    assert stack.cloud() == {}
    assert stack.resources() == []
    assert stack.calls("delete") == ["delete b", "delete a"]


def test_a_run_from_another_checkout_finds_nothing_to_do(stack: Any) -> None:
    program = 'Thing("a")'
    stack.up(program)
    assert stack.resource("a").source_position == "project:///__main__.py#4"
    before = stack.document()
    elsewhere = stack.folder / "elsewhere" / "shop"
    shutil.copytree(stack.project_dir, elsewhere)
    result = operations.up(replace(stack.request, project_dir=elsewhere))
    assert result.changes == {"same": 2}
    # Not even saved anew.
    assert stack.document() == before

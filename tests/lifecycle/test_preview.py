"""Preview asks the providers, knows what can be known, and changes nothing."""

from typing import Any

import pytest

from sandbox.errors import KitError


def test_computed_names_are_known(stack: Any) -> None:
    stack.program(
        'a = Thing("a", size=1)\npulumi.export("name", a.name)\npulumi.export("arn", a.arn)'
    )
    result = stack.preview()
    assert result.changes == {"create": 2}
    assert result.outputs["name"].startswith("a-")
    assert repr(result.outputs["arn"]) == "UNKNOWN"
    assert stack.cloud() == {}
    assert not stack.state_dir.exists()


def test_unknowns_reach_dependents(stack: Any) -> None:
    stack.program('a = Thing("a")\nb = Thing("b", of=a.arn, list=[a.arn, 1])')
    assert stack.preview().changes == {"create": 3}


def test_its_plan_is_what_up_does(stack: Any) -> None:
    stack.up('a = Thing("a", immutable=1)\nThing("b", of=a.arn)\nThing("gone")')
    stack.program('a = Thing("a", immutable=2)\nThing("b", of=a.arn)\nThing("new")')
    plan = stack.preview()
    done = stack.up()
    assert plan.changes == done.changes
    assert sorted((s.op, s.urn) for s in plan.steps) == sorted((s.op, s.urn) for s in done.steps)


def test_expect_no_changes(stack: Any) -> None:
    stack.up('Thing("a", size=1)')
    stack.up(expect_no_changes=True)
    stack.program('Thing("a", size=2)')
    with pytest.raises(KitError, match="No changes were expected"):
        stack.up(expect_no_changes=True)
    assert stack.resource("a").inputs["size"] == 1


def test_an_explicit_provider_with_unknown_inputs_is_not_asked(stack: Any) -> None:
    stack.program(
        'a = Thing("a")\np = Provider("p", region=a.arn)\nb = Thing("b", opts=O(provider=p))'
    )
    assert stack.preview().changes == {"create": 4}
    assert [r["name"] for r in stack.call_records("configure")] == ["default_1_2_3"]
    assert stack.up().changes == {"create": 4}


def test_up_with_nothing_to_do_runs_the_program_once(stack: Any) -> None:
    stack.up('a = Thing("a", size=1)\npulumi.export("v", 1)')
    stack.forget_calls()
    program = 'a = Thing("a", size=1, opts=O(protect=True))\npulumi.export("v", 2)'
    result = stack.up(program, skip_preview=False)
    assert result.changes == {"same": 2}
    assert stack.calls("check") == ["check a"]
    # What the program says of options and outputs counts all the same.
    assert stack.resource("a").options.protect
    assert stack.resources()[0].outputs == {"v": 2}

"""Resource options, one by one."""

from typing import Any

import pytest

from sandbox.errors import KitError, UserError


def test_a_protected_resource_is_not_deleted_but_everything_else_is(stack: Any) -> None:
    stack.up('Thing("a", opts=O(protect=True))\nThing("b")')
    with pytest.raises(KitError, match="cannot be deleted because it is protected"):
        stack.destroy()
    stack.verify()
    assert stack.names() == ["a"]
    stack.up('Thing("a")')
    stack.destroy()
    assert stack.cloud() == {}


def test_a_protected_resource_is_not_replaced(stack: Any) -> None:
    stack.up('Thing("a", immutable=1, opts=O(protect=True))')
    with pytest.raises(UserError, match="cannot be replaced because it is protected"):
        stack.up('Thing("a", immutable=2, opts=O(protect=True))')
    assert len(stack.cloud()) == 1


def test_ignored_changes_are_undone_before_check(stack: Any) -> None:
    program = 'Thing("a", tags={{"v": "{v}", "w": "{v}"}}, opts=O(ignore_changes=["tags.v"]))'
    stack.up(program.format(v=1))
    result = stack.up(program.format(v=2))
    assert result.changes == {"same": 1, "update": 1}
    assert stack.resource("a").inputs["tags"] == {"v": "1", "w": "2"}


def test_a_retained_resource_leaves_the_state_and_stays_in_the_cloud(stack: Any) -> None:
    stack.up('Thing("a", opts=O(retain_on_delete=True))')
    result = stack.up("")
    assert result.changes == {"same": 1, "delete": 1}
    assert [step.retained for step in result.steps if step.op == "delete"] == [True]
    assert stack.calls("delete") == []
    assert len(stack.cloud()) == 1


def test_what_goes_with_another_is_not_deleted_by_itself(stack: Any) -> None:
    stack.up('a = Thing("a")\nThing("b", opts=O(deleted_with=a))')
    stack.destroy()
    assert stack.calls("delete") == ["delete a"]
    assert stack.resources() == []


def test_additional_secret_outputs_are_secret(stack: Any) -> None:
    result = stack.up(
        'a = Thing("a", size=77123, opts=O(additional_secret_outputs=["size", "arn"]))\n'
        'pulumi.export("arn", a.arn)'
    )
    assert "Secret" in repr(result.outputs["arn"])
    assert "arn:id-" not in stack.all_state_text()


def test_depends_on_orders_creation_and_deletion(stack: Any) -> None:
    stack.faults(create_a="slow", delete_b="slow")
    stack.up('a = Thing("a")\nThing("b", opts=O(depends_on=[a]))')
    stack.destroy()
    assert stack.calls("create", "delete") == ["create a", "create b", "delete b", "delete a"]


def test_custom_timeouts_are_kept(stack: Any) -> None:
    stack.up('Thing("a", opts=O(custom_timeouts=pulumi.CustomTimeouts(create="1m30s")))')
    assert stack.resource("a").options.timeouts.create == 90.0
    document = next(
        r for r in stack.document()["checkpoint"]["latest"]["resources"] if "customTimeouts" in r
    )
    assert document["customTimeouts"]["create"] == 90.0


def test_two_resources_of_one_name_are_refused(stack: Any) -> None:
    with pytest.raises(UserError, match="Duplicate resource URN"):
        stack.up('Thing("a")\nThing("a")', skip_preview=False)
    assert stack.cloud() == {}

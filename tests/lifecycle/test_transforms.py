"""Transforms see every registration before it counts: tagging everything takes one."""

from typing import Any

TAG = """
def tag(args):
    if args.type_ == "fake:index:Thing":
        return pulumi.ResourceTransformResult(
            props={**args.props, "tags": {**args.props.get("tags", {}), "team": "data"}},
            opts=args.opts,
        )
    return None
"""


def test_a_stack_transform_reaches_remote_children_too(stack: Any) -> None:
    program = f'{TAG}\npulumi.runtime.register_stack_transform(tag)\nThing("a", tags={{"x": "y"}})\nPair("p")'
    stack.up(program, skip_preview=False)
    tags = {t["urn"].rpartition("::")[2]: t["inputs"]["tags"] for t in stack.cloud().values()}
    assert tags == {
        "a": {"x": "y", "team": "data"},
        "p-first": {"team": "data"},
        "p-second": {"team": "data"},
    }
    assert stack.up(program).changes == {"same": 5}


def test_a_components_transform_holds_for_its_children(stack: Any) -> None:
    program = f"""{TAG}
class Shop(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("test:index:Shop", name, None, opts)
        Thing("inside", opts=O(parent=self))
Shop("shop", O(transforms=[tag]))
Thing("outside")
"""
    stack.up(program)
    assert stack.resource("inside").inputs["tags"] == {"team": "data"}
    assert "tags" not in stack.resource("outside").inputs


def test_a_transform_may_change_options(stack: Any) -> None:
    stack.up(
        """
        def keep(args):
            return pulumi.ResourceTransformResult(
                args.props, O.merge(args.opts, O(protect=True, ignore_changes=["size"]))
            )
        a = Thing("a", opts=O(transforms=[keep]))
        """
    )
    assert stack.resource("a").options.protect
    assert stack.resource("a").options.ignore_changes == ("size",)


def test_secrets_and_outputs_survive_a_transform(stack: Any) -> None:
    stack.up(
        f"""{TAG}
pulumi.runtime.register_stack_transform(tag)
a = Thing("a", key=pulumi.Output.secret("hidden-value"))
Thing("b", of=a.arn, key=a.key)
""",
        skip_preview=False,
    )
    assert "hidden-value" not in stack.all_state_text()
    assert stack.resource("b").inputs["of"].startswith("arn:")


def test_a_transform_that_fails_is_the_programs_error(stack: Any) -> None:
    import pytest

    from sandbox.errors import UserError

    stack.program(
        'def bad(args):\n    raise ValueError("not today")\nThing("a", opts=O(transforms=[bad]))'
    )
    with pytest.raises(UserError, match="not today"):
        stack.preview()

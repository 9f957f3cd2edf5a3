"""Outputs of another stack in the same state folder."""

from typing import Any

import pytest

from sandbox.errors import UserError


def test_outputs_secrets_included(stack: Any) -> None:
    stack.up(
        'pulumi.export("plain", 1)\npulumi.export("hidden", pulumi.Output.secret("hush-hush"))'
    )
    stack.configure(stack="prod")
    result = stack.up(
        """
        base = pulumi.StackReference("organization/shop/dev")
        Thing("a", size=base.get_output("plain"), key=base.require_output("hidden"))
        pulumi.export("again", base.get_output("hidden"))
        """,
        skip_preview=False,
    )
    assert stack.resource("a").inputs["size"] == 1
    assert repr(result.outputs["again"]) == "Secret(...)"
    assert "hush-hush" not in stack.all_state_text()
    assert result.changes == {"create": 2, "read": 1}
    assert stack.up().changes == {"same": 2, "read": 1}


def test_a_stack_that_is_not_there(stack: Any) -> None:
    stack.program('pulumi.StackReference("organization/shop/nowhere")')
    with pytest.raises(UserError, match="There is no stack organization/shop/nowhere"):
        stack.preview()

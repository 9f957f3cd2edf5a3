"""Functions of providers."""

from typing import Any

import pytest

from sandbox.errors import UserError


def test_plain_and_output_forms(stack: Any) -> None:
    result = stack.up(
        """
        a = Thing("a", size=echo({"n": 5})["value"]["n"])
        pulumi.export("out", echo_output(a.arn)["value"])
        """,
        skip_preview=False,
    )
    assert stack.resource("a").inputs["size"] == 5
    assert result.outputs["out"] == f"arn:{stack.resource('a').id}"


def test_the_output_form_waits_for_what_is_not_made_yet(stack: Any) -> None:
    stack.program(
        'a = Thing("a")\n'
        'pulumi.export("out", echo_output(1, pulumi.InvokeOutputOptions(depends_on=[a])))'
    )
    assert repr(stack.preview().outputs["out"]) == "UNKNOWN"
    assert stack.up().outputs["out"] == {"value": 1}


def test_a_failing_function_is_the_programs_error(stack: Any) -> None:
    stack.faults_file.write_text('{"invoke fake:index:echo": "fail"}')
    stack.program("echo(1)")
    with pytest.raises(UserError, match="the cloud refuses to invoke"):
        stack.preview()

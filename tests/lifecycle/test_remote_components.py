"""Components that a plugin makes (Construct), their methods (Call), and references to them."""

from typing import Any

PROGRAM = """
p = Pair("p", size=3, of=pulumi.Output.secret("hidden-value"))
Thing("user", of=p.first.apply(lambda t: t.arn))
pulumi.export("arn", p.first.arn)
pulumi.export("label", p.label)
"""


def test_its_children_are_registered_by_its_plugin(stack: Any) -> None:
    result = stack.up(PROGRAM, skip_preview=False)
    assert result.changes == {"create": 5}
    assert stack.names() == ["p-first", "p-second", "user"]
    child = stack.resource("p-first")
    assert child.urn == "urn:pulumi:dev::shop::fake:index:Pair$fake:index:Thing::p-first"
    assert child.parent == stack.resource("p").urn
    assert "hidden-value" not in stack.all_state_text()
    assert stack.up(PROGRAM).changes == {"same": 5}


def test_a_reference_is_made_a_resource_again(stack: Any) -> None:
    result = stack.up(PROGRAM)
    first = stack.resource("p-first")
    assert result.outputs["arn"] == f"arn:{first.id}"
    assert stack.resource("user").inputs["of"] == f"arn:{first.id}"
    assert first.urn in stack.resource("user").dependencies


def test_two_versions_of_a_package_are_two_default_providers(stack: Any) -> None:
    stack.up(PROGRAM)
    providers = [s.urn.rpartition("::")[2] for s in stack.resources() if "providers:fake" in s.type]
    assert sorted(providers) == ["default_1_0_0", "default_1_2_3"]


def test_a_method_may_look_at_the_component(stack: Any) -> None:
    result = stack.up('p = Pair("p")\npulumi.export("said", p.describe("hello"))')
    assert result.outputs["said"] == {"text": "hello, pair p"}


def test_everything_of_it_is_deleted(stack: Any) -> None:
    stack.up(PROGRAM)
    assert stack.destroy().changes == {"delete": 5}
    assert stack.cloud() == {}


def test_a_child_that_fails_is_the_error_and_not_its_echo(stack: Any) -> None:
    import pytest

    from sandbox.errors import KitError

    stack.faults(create_p="fail")
    stack.faults_file.write_text('{"create p-second": "fail"}')
    with pytest.raises(KitError) as caught:
        stack.up(PROGRAM)
    assert str(caught.value) == (
        "Creating fake:index:Thing p-second failed\nthe cloud refuses to create p-second"
    )
    stack.verify()
    assert stack.names() == ["p-first"]

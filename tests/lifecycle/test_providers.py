"""Which provider serves whom."""

import importlib.metadata
import sys
from pathlib import Path
from typing import Any

from sandbox.engine.protocol import packages


def test_default_providers_take_the_stacks_configuration(stack: Any) -> None:
    stack.configure(config={"fake:region": "north"}, secret_config={"fake:key": "hidden-value"})
    stack.up('Thing("a")')
    (record,) = stack.call_records("configure")
    assert record["inputs"]["region"] == "north"
    assert record["inputs"]["key"] == "hidden-value"
    assert "hidden-value" not in stack.all_state_text()


def test_an_explicit_provider_is_a_resource(stack: Any) -> None:
    program = 'p = Provider("p", region="{region}")\nThing("a", opts=O(provider=p))'
    assert stack.up(program.format(region="north")).changes == {"create": 3}
    assert stack.resource("a").provider.startswith(
        "urn:pulumi:dev::shop::pulumi:providers:fake::p::"
    )
    assert stack.up(program.format(region="north")).changes == {"same": 3}


def test_an_explicit_provider_has_its_version_among_its_inputs(stack: Any) -> None:
    """As in Pulumi's state: otherwise each engine would change what the other one made."""
    stack.up('p = Provider("p", region="north", opts=O(version="1.2.3"))')
    assert stack.resource("p").inputs == {"__internal": {}, "region": "north", "version": "1.2.3"}
    assert stack.resource("p").outputs == {"region": "north", "version": "1.2.3"}


def test_the_version_that_nobody_names_is_that_of_the_programs_library() -> None:
    found = packages.versions(Path(sys.executable))
    assert found["kubernetes"] == importlib.metadata.version("pulumi-kubernetes")
    assert "fake" not in found


def test_replacing_a_provider_replaces_what_it_made(stack: Any) -> None:
    program = 'p = Provider("p", region="{region}")\nThing("a", opts=O(provider=p))'
    stack.up(program.format(region="north"))
    stack.forget_calls()
    result = stack.up(program.format(region="south"), skip_preview=False)
    assert result.changes == {"same": 1, "replace": 2}
    # The old one is deleted by the provider that made it.
    assert [record["region"] for record in stack.call_records("delete")] == ["north"]
    assert len(stack.cloud()) == 1


def test_updating_a_provider_leaves_what_it_made(stack: Any) -> None:
    program = 'p = Provider("p", retries="{n}")\nThing("a", opts=O(provider=p))'
    stack.up(program.format(n=1))
    assert stack.up(program.format(n=2)).changes == {"same": 2, "update": 1}


def test_a_component_hands_its_provider_down(stack: Any) -> None:
    stack.up('p = Provider("p", region="north")\nPair("pair", opts=O(providers=[p]))')
    assert "::p::" in stack.resource("pair-first").provider


def test_a_resource_whose_provider_is_gone_from_the_program_is_deleted_with_it(stack: Any) -> None:
    stack.up('p = Provider("p", region="north")\nThing("a", opts=O(provider=p))')
    stack.forget_calls()
    assert stack.up("").changes == {"same": 1, "delete": 2}
    assert [record["region"] for record in stack.call_records("delete")] == ["north"]


def test_an_unknown_package_is_named(stack: Any) -> None:
    import pytest

    from sandbox.errors import Unsupported

    stack.program('pulumi.CustomResource("nowhere:index:X", "x", {})')
    with pytest.raises(Unsupported, match="no provider plugin for the package nowhere"):
        stack.preview()

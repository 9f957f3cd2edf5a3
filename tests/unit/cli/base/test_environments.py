"""Names of environments."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.base import environments, paths
from cli.base.environments import environment
from cli.base.errors import UserError
from infra.contract.naming import ENVIRONMENT_MAX_LENGTH


@given(st.text(max_size=40))
def test_whatever_is_accepted_fits_every_resource_name(name: str) -> None:
    try:
        accepted = environment(name).name
    except UserError as error:
        assert name in error.summary
        return
    assert accepted == name
    assert re.fullmatch(r"[a-z][a-z0-9-]*", name)
    assert len(name) <= ENVIRONMENT_MAX_LENGTH
    assert not name.endswith("-")
    assert "--" not in name


@given(st.from_regex(r"[a-z](-?[a-z0-9]){0,13}", fullmatch=True))
def test_good_names_are_accepted(name: str) -> None:
    assert environment(name).name == name


@pytest.mark.parametrize(
    ("name", "sandboxed"),
    [("sandbox", True), ("sandbox-two", True), ("sandboxed", False), ("dev", False)],
)
def test_which_environments_live_here(name: str, sandboxed: bool) -> None:
    assert environment(name).sandboxed is sandboxed


def test_a_sandbox_configuration_is_outside_the_checkout() -> None:
    assert not environment("sandbox").config_file.is_relative_to(paths.ROOT)
    assert environment("dev").config_file == paths.ROOT / "Pulumi.dev.yaml"


def test_known_environments_are_those_with_a_configuration() -> None:
    file = environment("sandbox-two").config_file
    file.parent.mkdir(parents=True)
    file.write_text("")
    assert {"sandbox", "sandbox-two"} <= set(environments.known())

"""The embedded engine's backend, as far as it goes without a sandbox."""

from pathlib import Path

import pytest

from cli import stack_config
from cli.embedded import EmbeddedBackend
from cli.environments import Environment
from sandbox.errors import UserError
from sandbox.wire.values import Secret

ENVIRONMENT = Environment("sandbox")


@pytest.fixture
def backend() -> EmbeddedBackend:
    stack_config.provide_passphrase(ENVIRONMENT, make=True)
    return EmbeddedBackend(ENVIRONMENT, None)


def test_nothing_is_there_at_first(backend: EmbeddedBackend) -> None:
    assert backend.configured() == set()
    assert backend.outputs() == {}
    assert backend.resources() == []
    assert not backend.deployed()


def test_what_is_set_can_be_read_and_removed(backend: EmbeddedBackend) -> None:
    backend.set_config("aerodrome:nodeMax", "6", secret=False)
    backend.set_config("aerodrome:adminPassword", "hunter22", secret=True)
    assert backend.config() == {
        "aerodrome:nodeMax": "6",
        "aerodrome:adminPassword": Secret("hunter22"),
    }
    assert backend.configured() == set(backend.config())
    text = ENVIRONMENT.config_file.read_text()
    assert "encryptionsalt: v1:" in text
    assert "hunter22" not in text
    assert ENVIRONMENT.config_file.stat().st_mode & 0o777 == 0o600
    backend.remove_config("aerodrome:nodeMax")
    assert backend.configured() == {"aerodrome:adminPassword"}


def test_another_passphrase_opens_nothing(
    backend: EmbeddedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.set_config("aerodrome:adminPassword", "hunter22", secret=True)
    monkeypatch.setenv(stack_config.PASSPHRASE, "another")
    with pytest.raises(UserError, match="Wrong passphrase"):
        backend.config()


def test_forgetting_leaves_an_empty_stack(backend: EmbeddedBackend, folders: Path) -> None:
    backend.forget()
    assert not backend.deployed()
    assert list((folders / "state" / "stacks").rglob("sandbox.json"))


@pytest.mark.parametrize("text", ["config: [", "- a list", "config: 7"])
def test_a_damaged_file_is_the_users_to_mend(backend: EmbeddedBackend, text: str) -> None:
    ENVIRONMENT.config_file.parent.mkdir(parents=True, exist_ok=True)
    ENVIRONMENT.config_file.write_text(text)
    with pytest.raises(UserError):
        backend.configured()


def test_keys_without_a_namespace_are_the_projects_own(backend: EmbeddedBackend) -> None:
    ENVIRONMENT.config_file.parent.mkdir(parents=True, exist_ok=True)
    ENVIRONMENT.config_file.write_text("config:\n  nodeMax: '6'\n")
    assert backend.configured() == {"aerodrome:nodeMax"}
    backend.remove_config("aerodrome:nodeMax")
    assert backend.configured() == set()

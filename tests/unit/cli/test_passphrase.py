"""An environment with a passphrase of its own: its file, and what a killed run leaves."""

from pathlib import Path

import pytest

from cli import passphrase, stack_config
from cli.embedded import EmbeddedBackend
from cli.environments import Environment
from sandbox.errors import UserError
from sandbox.wire.values import Secret

ENVIRONMENT = Environment("sandbox")
OTHER = Environment("sandbox-two")


def prepare(environment: Environment) -> EmbeddedBackend:
    stack_config.provide_passphrase(environment, make=True)
    backend = EmbeddedBackend(environment, None)
    backend.set_config("aerodrome:adminPassword", "hunter22", secret=True)
    return backend


def config(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> object:
    """As the next run sees it."""
    monkeypatch.delenv(stack_config.PASSPHRASE_FILE, raising=False)
    stack_config.provide_passphrase(environment)
    return EmbeddedBackend(environment, None).config()["aerodrome:adminPassword"]


def test_the_others_keep_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(OTHER)
    prepare(ENVIRONMENT)
    before = stack_config.passphrase_file().read_text()
    assert passphrase.change(ENVIRONMENT, "another", managed=True) == 1
    assert config(ENVIRONMENT, monkeypatch) == Secret("hunter22")
    assert config(OTHER, monkeypatch) == Secret("hunter22")
    assert stack_config.passphrase_file().read_text() == before
    own = passphrase.own_file(ENVIRONMENT)
    assert own.read_text() == "another\n"
    assert own.stat().st_mode & 0o777 == 0o600
    stack_config.provide_passphrase(ENVIRONMENT)
    assert passphrase.change(ENVIRONMENT, "third", managed=True) == 1
    assert config(ENVIRONMENT, monkeypatch) == Secret("hunter22")
    assert sorted(path.name for path in own.parent.glob("passphrase*")) == [
        "passphrase",
        "passphrase.sandbox",
    ]


def test_ended_before_and_after_it_was_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = prepare(ENVIRONMENT)
    own = passphrase.own_file(ENVIRONMENT)
    proposed = own.with_name(f"{own.name}.new")
    proposed.write_text("another\n")
    # Nothing was encrypted anew: the old one holds.
    assert config(ENVIRONMENT, monkeypatch) == Secret("hunter22")
    assert not own.exists()
    backend.change_passphrase("another")
    # It was, but the file is not yet in place.
    assert config(ENVIRONMENT, monkeypatch) == Secret("hunter22")
    assert own.read_text() == "another\n"
    assert not proposed.exists()


def test_one_that_a_variable_gives_is_the_users_to_change(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(stack_config.PASSPHRASE, "mine")
    backend = prepare(ENVIRONMENT)
    assert not passphrase.is_managed()
    assert passphrase.change(ENVIRONMENT, "another", managed=False) == 1
    with pytest.raises(UserError, match="Wrong passphrase"):
        backend.config()
    monkeypatch.setenv(stack_config.PASSPHRASE, "another")
    assert backend.config() == {"aerodrome:adminPassword": Secret("hunter22")}
    assert not passphrase.own_file(ENVIRONMENT).exists()

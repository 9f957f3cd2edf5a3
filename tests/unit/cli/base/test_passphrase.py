"""Another passphrase for an environment: all of its secrets, or none, whenever the run is ended."""

import json
from pathlib import Path

import pytest

from cli.base import passphrase
from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.values import Secret
from cli.session import Session
from cli.stack.driver import Stack
from sandbox.instance import state_dir

ENVIRONMENT = Environment("sandbox")
OTHER = Environment("sandbox-two")
KEY = "aerodrome:adminPassword"


def stack(environment: Environment) -> Stack:
    """As a new process has it."""
    found = Session().backend(environment)
    assert isinstance(found, Stack)
    return found


def prepare(environment: Environment) -> None:
    passphrase.provide(environment, make=True)
    stack(environment).set_config(KEY, "hunter22", secret=True)


def config(environment: Environment) -> object:
    return stack(environment).config()[KEY]


def test_the_others_keep_theirs() -> None:
    prepare(OTHER)
    prepare(ENVIRONMENT)
    before = passphrase.shared_file().read_text()
    for new in ("another", "third"):
        assert stack(ENVIRONMENT).change_passphrase(new, managed=True) == 1
        assert config(ENVIRONMENT) == Secret("hunter22")
    assert config(OTHER) == Secret("hunter22")
    assert passphrase.shared_file().read_text() == before
    own = passphrase.own_file(ENVIRONMENT)
    assert own.read_text() == "third\n"
    assert own.stat().st_mode & 0o777 == 0o600
    assert {file.name for file in state_dir().iterdir() if "passphrase" in file.name} == {
        "passphrase",
        "passphrase.sandbox",
    }


@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_ended_after_any_file_the_next_run_finishes(done: int) -> None:
    prepare(ENVIRONMENT)
    changed: dict[Path, str] = {}

    def encrypted(new: str) -> dict[Path, str]:
        changed.update(stack(ENVIRONMENT)._encrypted(new))
        return changed

    before = {file: file.read_text() for file in stack(ENVIRONMENT)._encrypted("x")}
    passphrase.change(ENVIRONMENT, "another", encrypted, managed=True)
    # As if it had been ended when `done` of the three files were written.
    files = [*changed, passphrase.own_file(ENVIRONMENT)]
    contents = {str(file): file.read_text() for file in files}
    for file in files[done:]:
        file.unlink() if file not in before else file.write_text(before[file])
    decision = state_dir() / ".passphrase.sandbox.change"
    decision.write_text(json.dumps(contents))
    assert config(ENVIRONMENT) == Secret("hunter22")
    assert passphrase.own_file(ENVIRONMENT).read_text() == "another\n"
    assert not decision.exists()


def test_one_that_a_variable_gives_is_the_users_to_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(passphrase.PASSPHRASE, "mine")
    prepare(ENVIRONMENT)
    assert not passphrase.is_managed()
    assert stack(ENVIRONMENT).change_passphrase("another", managed=False) == 1
    with pytest.raises(UserError, match="The passphrase does not open the secrets") as caught:
        config(ENVIRONMENT)
    assert caught.value.exit_code == 2
    monkeypatch.setenv(passphrase.PASSPHRASE, "another")
    assert config(ENVIRONMENT) == Secret("hunter22")
    assert not passphrase.own_file(ENVIRONMENT).exists()


def test_the_first_command_after_sandbox_env_makes_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`sandbox env` names the file before anything was deployed."""
    monkeypatch.setenv("AERODROME_STATE", str(tmp_path))
    monkeypatch.setenv(passphrase.PASSPHRASE_FILE, str(passphrase.shared_file()))
    monkeypatch.delenv(passphrase.PASSPHRASE, raising=False)
    assert passphrase.is_managed()
    passphrase.provide(Environment("sandbox"))
    assert not passphrase.shared_file().exists()
    passphrase.provide(Environment("sandbox"), make=True)
    assert passphrase.file(Environment("sandbox")) == passphrase.shared_file()
    assert passphrase.shared_file().exists()


def test_a_file_of_the_users_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(passphrase.PASSPHRASE_FILE, str(tmp_path / "passphrase"))
    monkeypatch.delenv(passphrase.PASSPHRASE, raising=False)
    with pytest.raises(UserError, match="cannot be read"):
        passphrase.provide(Environment("sandbox"), make=True)

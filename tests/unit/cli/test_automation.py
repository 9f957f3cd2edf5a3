"""Environments on AWS: what is asked of the Pulumi CLI through its Automation API. The CLI is a fake."""

import io
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.automation import PulumiBackend, stacks
from cli.backends import clear
from cli.environments import Environment
from sandbox.errors import KitError, UserError
from sandbox.wire.values import Secret
from tests.unit.cli import fake_pulumi

Make = Callable[..., PulumiBackend]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The fake CLI, first on the PATH, and what it keeps."""
    folder = tmp_path / "pulumi"
    folder.mkdir()
    shutil.copy(fake_pulumi.__file__, folder / "pulumi.py")
    program = folder / "pulumi"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "{folder}/pulumi.py" "$@"\n')
    program.chmod(0o755)
    (folder / "state.json").write_text('{"stacks": {}}')
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


@pytest.fixture
def make(home: Path, tmp_path: Path) -> Make:
    project = tmp_path / "project"
    project.mkdir()
    (project / "Pulumi.yaml").write_text("name: aerodrome\nruntime: python\n")

    def backend(name: str = "dev") -> PulumiBackend:
        return PulumiBackend(Environment(name), project)

    return backend


def _calls(home: Path) -> list[str]:
    lines = (home / "calls").read_text().splitlines()
    return [line.removeprefix("--non-interactive ") for line in lines if line != "version"]


def test_without_a_stack_there_is_nothing(make: Make, home: Path) -> None:
    backend = make()
    assert not backend.deployed()
    assert backend.outputs() == {}
    assert backend.plain() == {}
    assert _calls(home) == ["stack select --stack dev"]
    with pytest.raises(UserError, match='There is no environment "dev"') as caught:
        backend.up(io.StringIO())
    assert caught.value.command == "./aerodrome bootstrap dev"


def test_a_stack_is_made_once_with_the_key_that_was_asked_for(make: Make, home: Path) -> None:
    make().create("awskms:///alias/dev")
    make().create("awskms:///alias/dev")
    inits = [call for call in _calls(home) if call.startswith("stack init")]
    assert inits == ["stack init dev --secrets-provider awskms:///alias/dev"]


def test_configuration_is_set_without_a_value_on_any_command_line(make: Make, home: Path) -> None:
    backend = make()
    backend.create("passphrase")
    backend.set_config("aerodrome:environment", "dev", secret=False)
    backend.set_config("aerodrome:adminPassword", "correct horse", secret=True)
    assert backend.plain() == {"aerodrome:environment": "dev"}
    assert backend.configured() == {"aerodrome:environment", "aerodrome:adminPassword"}
    found = backend.config()
    assert isinstance(found["aerodrome:adminPassword"], Secret)
    assert clear(found["aerodrome:adminPassword"]) == "correct horse"
    assert "correct horse" not in (home / "calls").read_text()
    backend.remove_config("aerodrome:environment")
    assert backend.plain() == {}


def test_up_and_destroy_say_what_they_changed(make: Make) -> None:
    backend = make()
    backend.create("passphrase")
    assert not backend.deployed()
    shown = io.StringIO()
    done = backend.up(shown)
    assert done.changes == {"create": 2}
    assert "up is done" in shown.getvalue()
    assert done.outputs["rung"] == "dedicated"
    assert isinstance(done.outputs["kubeconfig"], Secret)
    assert backend.deployed()
    [bucket] = backend.resources()
    assert (bucket.name, bucket.id, bucket.created) == ("logs", "logs-1", "2027-01-01T00:00:00Z")
    assert backend.destroy(io.StringIO()).changes == {"delete": 2}
    assert not backend.deployed()


def test_a_fresh_clone_gets_its_configuration_back(make: Make, tmp_path: Path, home: Path) -> None:
    backend = make()
    backend.create("passphrase")
    backend.set_config("aerodrome:base", "dev", secret=False)
    backend.set_config("aerodrome:protect", "true", secret=False)
    backend.up(io.StringIO())
    file = tmp_path / "project" / "Pulumi.dev.yaml"
    file.unlink()
    assert make().plain() == {"aerodrome:base": "dev", "aerodrome:protect": "true"}
    assert file.exists()
    before = len(_calls(home))
    make().plain()
    assert len(_calls(home)) == before


def test_a_stack_that_was_never_deployed_has_nothing_to_bring_back(
    make: Make, tmp_path: Path, home: Path
) -> None:
    make().create("passphrase")
    (tmp_path / "project" / "Pulumi.dev.yaml").unlink()
    assert make().plain() == {}
    assert "config refresh --force --stack dev" not in _calls(home)


def test_a_stack_that_another_clone_made_and_never_deployed_is_made_anew(
    make: Make, tmp_path: Path, home: Path
) -> None:
    """Without its file the CLI knows no key for its secrets, and asks for a passphrase."""
    make().create("awskms:///alias/dev")
    (tmp_path / "project" / "Pulumi.dev.yaml").unlink()
    backend = make()
    backend.create("awskms:///alias/dev")
    backend.set_config("aerodrome:adminPassword", "correct horse", secret=True)
    assert clear(backend.config()["aerodrome:adminPassword"]) == "correct horse"
    changes = [call for call in _calls(home) if call.startswith(("stack init", "stack rm"))]
    assert [call.split()[1] for call in changes] == ["init", "rm", "init"]


def test_a_trial_leaves_no_stack_and_no_file(make: Make, tmp_path: Path, home: Path) -> None:
    with make().trial() as backend:
        backend.create("awskms:///alias/dev")
        backend.set_config("aerodrome:adminPassword", "correct horse", secret=True)
        assert backend.configured() == {"aerodrome:adminPassword"}
    assert json.loads((home / "state.json").read_text())["stacks"] == {}
    assert not (tmp_path / "project" / "Pulumi.dev.yaml").exists()


@pytest.mark.parametrize("fresh", [False, True])
def test_a_trial_leaves_what_is_deployed_as_it_is(
    make: Make, tmp_path: Path, home: Path, fresh: bool
) -> None:
    backend = make()
    backend.create("passphrase")
    backend.set_config("aerodrome:used", "2027-03-01", secret=False)
    backend.up(io.StringIO())
    file = tmp_path / "project" / "Pulumi.dev.yaml"
    if fresh:
        file.unlink()
    before = file.read_text() if file.exists() else None
    stacks_before = json.loads((home / "state.json").read_text())
    with make().trial() as trial:
        trial.create("passphrase")
        trial.set_config("aerodrome:used", "2027-03-02", secret=False)
        assert trial.plain() == {"aerodrome:used": "2027-03-02"}
    assert (file.read_text() if file.exists() else None) == before
    assert json.loads((home / "state.json").read_text()) == stacks_before


def test_a_trial_that_fails_leaves_nothing_either(make: Make, tmp_path: Path, home: Path) -> None:
    with pytest.raises(KitError, match="no"), make().trial() as backend:
        backend.create("passphrase")
        raise KitError("no")
    assert json.loads((home / "state.json").read_text())["stacks"] == {}
    assert not (tmp_path / "project" / "Pulumi.dev.yaml").exists()


def test_what_somebody_else_makes_during_a_trial_stays(
    make: Make, tmp_path: Path, home: Path
) -> None:
    with make().trial() as backend:
        backend.create("passphrase")
        other = make()
        other.set_config("aerodrome:adminPassword", "correct horse", secret=True)
        other.up(io.StringIO())
    assert "deployed" in json.loads((home / "state.json").read_text())["stacks"]["dev"]
    assert "correct horse" in (tmp_path / "project" / "Pulumi.dev.yaml").read_text()


def test_what_the_cli_says_is_passed_on(make: Make, home: Path) -> None:
    backend = make()
    backend.create("passphrase")
    state = json.loads((home / "state.json").read_text())
    (home / "state.json").write_text(json.dumps(state | {"broken": True}))
    with pytest.raises(KitError) as caught:
        backend.up(io.StringIO())
    assert str(caught.value) == "The Pulumi CLI failed\nerror: AccessDenied"


def test_a_configuration_that_is_none(make: Make, tmp_path: Path) -> None:
    (tmp_path / "project" / "Pulumi.dev.yaml").write_text("config: [")
    with pytest.raises(UserError, match="is not a Pulumi configuration file"):
        make().plain()


def test_stacks_on_aws_are_listed(make: Make, tmp_path: Path) -> None:
    for name in ("prod", "dev", "sandbox"):
        make(name).create("passphrase")
    assert stacks(lambda _: None, tmp_path / "project") == ["dev", "prod"]


def test_without_the_cli_none_is_listed_and_each_use_says_so(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert stacks(lambda _: None) == []
    with pytest.raises(UserError, match='"dev" needs the Pulumi CLI'):
        make().deployed()


def _locked(home: Path, host: str, pid: int) -> None:
    state = json.loads((home / "state.json").read_text())
    (home / "state.json").write_text(json.dumps(state | {"lock": f"ada@{host} (pid {pid})"}))


def test_the_lock_of_a_killed_run_is_removed_and_told(make: Make, home: Path) -> None:
    make().create("passphrase")
    gone = subprocess.Popen(["true"])
    gone.wait()
    _locked(home, socket.gethostname(), gone.pid)
    shown = io.StringIO()
    assert make().up(shown).changes == {"create": 2}
    assert f"locked by process {gone.pid} of ada, which is gone: unlocked" in shown.getvalue()
    assert "cancel --yes --stack dev" in _calls(home)


@pytest.mark.parametrize(
    ("host", "pid"),
    [(socket.gethostname(), os.getpid()), ("other", 2**22)],
    ids=["living", "stranger"],
)
def test_the_lock_of_the_living_or_of_a_stranger_stays(
    make: Make, home: Path, host: str, pid: int
) -> None:
    make().create("passphrase")
    _locked(home, host, pid)
    with pytest.raises(KitError) as caught:
        make().up(io.StringIO())
    assert f"created by ada@{host} (pid {pid})" in caught.value.detail
    assert not any(call.startswith("cancel") for call in _calls(home))

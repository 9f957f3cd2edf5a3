"""The front door, as far as it goes without starting a sandbox."""

import os
from pathlib import Path

import pytest

from sandbox import machine
from sandbox.cluster.record import save_instance
from sandbox.errors import UserError
from sandbox.instance import Instance

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="down refuses anybody else")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own: no test here may see a real sandbox."""
    monkeypatch.setenv("AERODROME_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def silent(progress: machine.Progress) -> None:
    """A caller that shows nothing."""


@as_root
def test_the_status_of_none(state: Path) -> None:
    found = machine.status("trial")
    assert not found.running
    assert not found.healthy
    assert found.instance is None
    assert not state.exists()


def test_bad_names_change_nothing(state: Path) -> None:
    for action in (machine.up, machine.down):
        with pytest.raises(UserError, match="is not a name for a sandbox"):
            action("../x", report=silent)
    assert not state.exists()


def test_only_root_may_change_anything(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for action in (machine.up, machine.down):
        with pytest.raises(UserError, match="needs root"):
            action("trial", report=silent)
    assert not state.exists()


def test_a_sandbox_that_does_not_run_cannot_be_had(state: Path) -> None:
    with pytest.raises(UserError, match="is not running"):
        machine.get("trial")


@as_root
def test_a_refused_up_leaves_nothing(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="Missing on this machine: ip, nft"):
        machine.up("trial", report=silent)
    assert not state.exists()


@as_root
def test_down_without_a_sandbox_is_fine_twice(state: Path) -> None:
    assert machine.down("trial", report=silent) == []
    assert machine.down("trial", report=silent) == []
    assert not state.exists()


@as_root
def test_down_takes_away_what_a_killed_up_left(state: Path) -> None:
    root = state / "sandbox" / "trial"
    save_instance(Instance("trial", 63, root))
    (root / "pki").mkdir()
    assert machine.down("trial", report=silent) == []
    assert not state.exists()


def test_the_environment_leads_everything_to_the_sandbox(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = Instance("trial", 9, tmp_path / "root")
    instance.aws_credentials.parent.mkdir(parents=True)
    instance.aws_credentials.write_text('{"access_key_id": "AKIA", "secret_access_key": "s"}')
    monkeypatch.setenv("PATH", "/usr/bin")
    environment = machine.Sandbox(instance).environment()
    assert environment["AWS_ENDPOINT_URL"] == "http://10.213.9.2:4566"
    assert environment["AWS_ACCESS_KEY_ID"] == "AKIA"
    assert environment["KUBECONFIG"] == str(instance.admin_kubeconfig)
    assert environment["AERODROME_ECR_ADDRESS"] == "10.213.9.2:5000"
    assert environment["PATH"].endswith(":/usr/bin")

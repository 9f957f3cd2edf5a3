"""Every test has folders of its own, and a command line that meets fakes only."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from cli.base import passphrase
from tests.unit.cli.fakes import FakeBackend, FakeSession

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AERODROME_STATE", str(tmp_path / "state"))
    for name in (passphrase.PASSPHRASE, passphrase.PASSPHRASE_FILE):
        monkeypatch.delenv(name, raising=False)
    for name in ("AERODROME_ENV", "AERODROME_BASE", "AERODROME_SANDBOX", "AERODROME_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def session(folders: Path) -> FakeSession:
    return FakeSession(folders)


@pytest.fixture
def run(session: FakeSession) -> Run:
    def invoke(*arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(app, list(arguments), obj=session, input=stdin)

    return invoke


@pytest.fixture
def run_json(run: Run) -> Callable[..., Any]:
    def invoke(*arguments: str, exit_code: int = 0) -> Any:
        result = run(*arguments, "--json")
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout)

    return invoke


@pytest.fixture
def deployed(run: Run, session: FakeSession) -> FakeBackend:
    """An environment with its secrets, after an `up`."""
    # Not above: it renders the chart, which few tests need.
    from tests.unit.cli.installed import WithSecrets

    session.fake_backend = session.fake_backends["sandbox"] = WithSecrets()
    assert run("up", "--no-proof").exit_code == 0
    session.fake_backend.calls.clear()
    return session.fake_backend

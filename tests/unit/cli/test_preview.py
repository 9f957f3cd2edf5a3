"""A preview changes nothing: not a file of this machine, with either engine, nor a stack on AWS."""

import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli import stack_config
from cli.embedded import EmbeddedBackend
from cli.environments import ROOT, Environment
from cli.pulumi_engine import PulumiEngineBackend
from infra.naming import branch_environment
from sandbox.engine import operations
from sandbox.engine.state import store
from sandbox.engine.state.lock import hold
from sandbox.instance import state_dir
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeSession

BRANCH = "never-seen"
NAME = branch_environment("sandbox", BRANCH)
RunJson = Callable[..., Any]

PROGRAM = """
import pulumi
config = pulumi.Config()
pulumi.export("branch", config.require("branch"))
pulumi.export("length", config.require_secret("fernetKey").apply(len))
"""

# What the CLI does with a stack that it previews: it reads the configuration and the state, and writes.
CLI = """#!/bin/sh
folder=$(echo "$PULUMI_BACKEND_URL" | cut -c8-)
echo "$@" >"$SEEN/arguments"; echo "$PULUMI_HOME" >"$SEEN/home"
while [ $# -gt 1 ]; do [ "$1" = --config-file ] && cp "$2" "$SEEN/config"; [ "$1" = --event-log ] && events=$2; shift; done
ls "$folder/.pulumi/stacks/aerodrome" >"$SEEN/stacks"
mkdir -p "$PULUMI_HOME/workspaces" "$folder/.pulumi/locks"; date >>"$folder/.pulumi/stacks/aerodrome/sandbox.json"
echo '{"summaryEvent": {"resourceChanges": {"create": 1}}}' >"$events"
"""


class TinyProgram(EmbeddedBackend):
    """The embedded engine on a program of two lines, which needs no plugin."""

    folder: Path

    def __init__(self, environment: Environment, sandbox: Any) -> None:
        super().__init__(environment, sandbox)
        self._request = replace(self._request, project_dir=self.folder)


class Session(FakeSession):
    """The branch's stack is driven by a real engine."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.engines: dict[str, Any] = {}

    def backend(self, environment: Any, sandbox: Any = None) -> Any:
        if environment.name in self.engines:
            return self.engines[environment.name](environment, sandbox)
        return super().backend(environment, sandbox)

    def require_pulumi(self) -> None:
        """It is the test's own."""


@pytest.fixture
def session(folders: Path) -> Session:
    return Session(folders)


@pytest.fixture
def base(session: Session, run_json: RunJson) -> Session:
    run_json("up")
    return session


@pytest.fixture
def tiny(base: Session, tmp_path: Path) -> None:
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: aerodrome\nruntime: python\n")
    (folder / "__main__.py").write_text(PROGRAM)
    TinyProgram.folder = folder
    base.engines[NAME] = TinyProgram


@pytest.fixture
def seen(base: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the stand-in for the Pulumi CLI was given."""
    program = tmp_path / "bin" / "pulumi"
    program.parent.mkdir()
    program.write_text(CLI)
    program.chmod(0o755)
    (tmp_path / "seen").mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    base.engines[NAME] = PulumiEngineBackend
    return tmp_path / "seen"


def _tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file and folder below, with its content."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


def test_of_a_branch_that_was_never_seen(tiny: None, run_json: RunJson) -> None:
    before = _tree(state_dir())
    assert before
    found = run_json("preview", "--branch", BRANCH)
    assert (found["environment"], found["changes"]) == (NAME, {"create": 1})
    assert _tree(state_dir()) == before
    assert run_json("preview", "--branch", BRANCH)["changes"] == {"create": 1}


def test_where_there_is_not_even_a_passphrase(tiny: None, run_json: RunJson) -> None:
    stack_config.passphrase_file().unlink()
    del os.environ[stack_config.PASSPHRASE_FILE]
    before = _tree(state_dir())
    assert run_json("preview", "--branch", BRANCH)["changes"] == {"create": 1}
    assert _tree(state_dir()) == before
    assert stack_config.PASSPHRASE not in os.environ


def test_of_a_branch_that_is_deployed_and_was_used_on_another_day(
    tiny: None, session: Session, run_json: RunJson
) -> None:
    environment = Environment(NAME, BRANCH, "sandbox")
    stack_config.provide_passphrase(environment, make=True)
    backend = TinyProgram(environment, None)
    on = stack_config.Standing("shared", "sandbox", BRANCH)
    stack_config.complete(environment, backend, on)
    backend.up(io.StringIO())
    before = _tree(state_dir())
    assert run_json("preview", "--branch", BRANCH)["changes"] == {"same": 1}
    assert _tree(state_dir()) == before


def test_a_refusal_leaves_nothing_either(tiny: None, session: Session, run: Run) -> None:
    session.fake_backend.more = {"contract": 0}
    before = _tree(state_dir())
    assert run("preview", "--branch", BRANCH).exit_code == 2
    assert _tree(state_dir()) == before


def test_with_pulumis_own_engine(seen: Path, run_json: RunJson) -> None:
    neighbour = state_dir() / "stacks" / ".pulumi" / "stacks" / "aerodrome" / "sandbox.json"
    neighbour.parent.mkdir(parents=True)
    neighbour.write_text('{"version": 3, "checkpoint": {}}')
    before = _tree(state_dir())
    found = run_json("preview", "--branch", BRANCH, "--engine", "pulumi")
    assert found["changes"] == {"create": 1}
    assert _tree(state_dir()) == before
    assert f"--stack {NAME}" in (seen / "arguments").read_text()
    # The base's stack is there too: the branch's refers to it.
    assert (seen / "stacks").read_text().split() == [f"{NAME}.json", "sandbox.json"]
    config = (seen / "config").read_text()
    assert f"aerodrome:branch: {BRANCH}" in config
    assert "aerodrome:fernetKey:\n    secure: " in config
    assert not Path((seen / "home").read_text().strip()).exists()


@pytest.mark.parametrize("verb", ["preview", "up"])
def test_with_pulumis_own_engine_while_another_is_at_work(seen: Path, run: Run, verb: str) -> None:
    """Its steps have no end yet: they are not interrupted, and nobody must finish them."""
    backend = PulumiEngineBackend(Environment(NAME), None)
    stack_config.provide_passphrase(Environment(NAME), make=True)
    backend.forget()
    file = state_dir() / "stacks" / ".pulumi" / "stacks" / "aerodrome" / f"{NAME}.json"
    document = json.loads(file.read_text())
    urn = f"urn:pulumi:{NAME}::aerodrome::aws:s3/bucket:Bucket::logs"
    resource = {"urn": urn, "type": "aws:s3/bucket:Bucket", "custom": True}
    document["checkpoint"]["latest"]["pending_operations"] = [
        {"type": "creating", "resource": resource}
    ]
    file.write_text(json.dumps(document))
    with hold(store.StackStore(state_dir() / "stacks", "aerodrome", NAME)):
        refused = run(verb, "--branch", BRANCH, "--engine", "pulumi")
    assert refused.exit_code == 2
    assert f"The stack aerodrome/{NAME} is locked" in refused.stderr
    assert f"Process {os.getpid()} of " in refused.stderr
    assert "interrupted" not in refused.stderr
    later = run(verb, "--branch", BRANCH, "--engine", "pulumi")
    assert "1 step(s) of the last run were interrupted" in later.stderr


def test_a_stack_that_is_not_there_is_not_locked(folders: Path) -> None:
    request = operations.Request(project_dir=ROOT, stack="none", state_dir=folders / "none")
    operations.check_unlocked(request)
    assert not (folders / "none").exists()

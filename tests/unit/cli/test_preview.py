"""A preview of the real Pulumi CLI changes nothing: not a file of this machine."""

import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli.base import passphrase
from cli.base.environments import Environment
from cli.base.paths import ROOT
from cli.stack import stack_config
from cli.stack.driver import Stack
from infra.contract.naming import branch_environment
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


class Session(FakeSession):
    """The branch's stack is that of the real CLI, with a program of two lines, which needs no plugin."""

    program: Path | None = None

    def backend(self, environment: Any, cloud: Any = None) -> Any:
        if environment.name == NAME and self.program is not None:
            place = self.place(environment, self.cloud(environment))
            return Stack(replace(place, project=self.program))
        return super().backend(environment, cloud)


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
    options = {"toolchain": "pip", "virtualenv": str(ROOT / ".venv")}
    project = {"name": "aerodrome", "runtime": {"name": "python", "options": options}}
    (folder / "Pulumi.yaml").write_text(json.dumps(project))
    (folder / "__main__.py").write_text(PROGRAM)
    base.program = folder


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
    passphrase.shared_file().unlink()
    before = _tree(state_dir())
    assert run_json("preview", "--branch", BRANCH)["changes"] == {"create": 1}
    assert _tree(state_dir()) == before
    assert passphrase.PASSPHRASE not in os.environ


def test_of_a_branch_that_is_deployed_and_was_used_on_another_day(
    tiny: None, session: Session, run_json: RunJson
) -> None:
    environment = Environment(NAME, BRANCH, "sandbox")
    passphrase.provide(environment, make=True)
    backend = session.backend(environment)
    on = stack_config.Placement("shared", "sandbox", BRANCH)
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


class TestAFormerKey:
    """`aerodrome:rung`, as the version before called the tenancy."""

    @pytest.fixture
    def file(self, tiny: None, session: Session) -> Path:
        environment = Environment(NAME, BRANCH, "sandbox")
        passphrase.provide(environment, make=True)
        on = stack_config.Placement("shared", "sandbox", BRANCH)
        stack_config.complete(environment, session.backend(environment), on)
        file = environment.config_file
        file.write_text(file.read_text().replace("aerodrome:tenancy", "aerodrome:rung"))
        return file

    def test_it_works_with_a_warning(self, file: Path, run: Run) -> None:
        before = file.read_text()
        result = run("preview", "--branch", BRANCH)
        assert result.exit_code == 0, result.output
        assert "warning: aerodrome:rung is called aerodrome:tenancy now" in result.stderr
        assert file.read_text() == before

    def test_what_writes_the_file_gives_it_its_new_name(self, file: Path, run: Run) -> None:
        assert run("config", "set", "executor", "LocalExecutor", "--branch", BRANCH).exit_code == 0
        assert "aerodrome:tenancy: shared" in file.read_text()
        assert "rung" not in file.read_text()

    def test_both_names_are_refused(self, file: Path, run: Run) -> None:
        text = file.read_text()
        line = "  aerodrome:rung: shared\n"
        assert line in text
        file.write_text(text.replace(line, line + line.replace("rung", "tenancy")))
        result = run("preview", "--branch", BRANCH)
        assert result.exit_code == 2
        assert "aerodrome:rung and aerodrome:tenancy are both set" in result.stderr
        assert "pulumi config rm aerodrome:rung" in result.stderr


def test_of_another_tenancy_than_a_branch_has_by_itself(base: Session, run: Run) -> None:
    result = run("preview", "--branch", BRANCH, "--tenancy", "dedicated")
    assert result.exit_code == 2
    assert 'carries the environment "sandbox" already' in result.stderr
    session = base
    session.sandbox_name = "two"
    assert run("preview", "--branch", BRANCH, "--tenancy", "dedicated").exit_code == 0


def test_of_a_lifetime(base: Session, run: Run) -> None:
    result = run("preview", "--branch", BRANCH, "--lifetime", "soon")
    assert result.exit_code == 2
    assert "is no lifetime" in result.stderr
    assert run("preview", "--branch", BRANCH, "--lifetime", "7").exit_code == 0

"""Which programs are there, and whether they are new enough."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.base.errors import UserError
from cli.operations.bootstrap import tools
from cli.operations.bootstrap.tools import Tool

Program = Callable[[str], None]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Makes the one program that is on the PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.defpath}")

    def make(line: str) -> None:
        (tmp_path / "flyer").write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / "flyer").chmod(0o755)

    return make


def flyer() -> Tool:
    return Tool("flyer", ("flyer", "version"), (2, 7, 0), "flies", "https://example.com")


def problem() -> str:
    (found,) = tools.look([flyer()])
    return found.problem


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("v3.260.0", "3.260.0"),
        ("aws-cli/2.15.0 Python/3.11.6 Linux/6.5", "2.15.0"),
        ("github.com/docker/buildx v0.17.1 257815a", "0.17.1"),
        ("Client Version: v1.36.1", "1.36.1"),
        ("v3.19.0+gcc58e3f", "3.19.0"),
    ],
)
def test_versions_are_read_as_the_programs_say_them(said: str, version: str) -> None:
    assert ".".join(map(str, tools._version(said))) == version


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("echo 2.7.0", ""),
        ("echo 10.0.1", ""),
        ("echo 2.6.99", "version 2.6.99 is older than 2.7.0"),
        ("echo hello", "prints no version"),
        ("echo out of fuel >&2; exit 3", "failed (out of fuel)"),
        ("exit 3", "failed (no output)"),
    ],
)
def test_what_a_program_says_decides(line: str, says: str, program: Program) -> None:
    program(line)
    assert says in problem()
    assert bool(says) is bool(problem())


def test_a_program_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert problem() == "`flyer` is not on the PATH"


def test_everything_that_lacks_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError) as caught:
        tools.check(tools.look(tools.needed("1.36")))
    for name in ("pulumi", "aws", "docker buildx", "docker's daemon", "kubectl", "helm"):
        assert f"{name}: " in caught.value.detail
    assert caught.value.exit_code == 2


def test_kubectl_may_be_one_version_behind_the_cluster() -> None:
    (kubectl,) = [tool for tool in tools.needed("1.40") if tool.name == "kubectl"]
    assert kubectl.minimum == (1, 39, 0)

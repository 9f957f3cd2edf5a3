"""`aerodrome image public`: all that comes from public registries, and the commands that copy it to a mirror."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from infra.contract.public_images import everything
from tests.unit.cli.fakes import FakeSession

ECR = "123456789012.dkr.ecr.eu-north-1.amazonaws.com/mirror"


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["image", "public", *arguments], obj=FakeSession(tmp_path))

    return invoke


def test_each_is_listed_with_its_pin_and_its_purpose(run: Any) -> None:
    result = run("--json")
    assert result.exit_code == 0, result.output
    images = json.loads(result.stdout)["images"]
    assert [one["ref"] for one in images] == [one.reference() for one in everything()]
    assert all(one["purpose"] and one["pulledBy"] and one["neededWith"] for one in images)
    assert "mirrored" not in images[0]
    shown = run().stdout
    assert all(one["ref"] in shown for one in images)


def test_the_commands_copy_to_where_pods_and_builds_will_look(run: Any, tmp_path: Path) -> None:
    """Run by a shell, with programs that write down how they were called."""
    folder, calls = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    for name, code in (("crane", 0), ("aws", 255)):
        program = folder / name
        program.write_text(f'#!/bin/sh\necho {name} "$@" >>{calls}\nexit {code}\n')
        program.chmod(0o755)
    script = run("--mirror", ECR, "--commands").stdout
    subprocess.run(
        ["sh", "-c", script], env={"PATH": f"{folder}:/usr/bin:/bin"}, check=False, timeout=30
    )
    made, copied = [], {}
    for line in calls.read_text().splitlines():
        program, verb, *rest = shlex.split(line)
        if program == "crane":
            assert verb == "copy"
            copied[rest[0]] = rest[1]
        elif rest[0] == "create-repository":
            assert rest[1:3] == ["--region", "eu-north-1"]
            made.append(rest[-1])
    for one in everything():
        assert copied[one.reference()] == f"{one.place(ECR)}:{one.tag}"
        assert one.place(ECR).partition("/")[2] in made
    listed = json.loads(run("--mirror", ECR, "--json").stdout)["images"]
    assert [one["mirrored"] for one in listed] == [one.reference(ECR) for one in everything()]


def test_another_registry_makes_repositories_by_itself(run: Any) -> None:
    script = run("--mirror", "registry.example.com/m", "--commands").stdout
    assert "aws " not in script
    assert script.count("crane copy ") == len(everything())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--commands",), "Nobody knows where to copy to"),
        (("--mirror", "https://registry.example.com"), "must be without a scheme"),
        (("--mirror", "alice:hunter2@registry.example.com"), "must be without a user"),
    ],
)
def test_what_cannot_be_is_refused(run: Any, arguments: tuple[str, ...], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "hunter2" not in result.output
    assert "Traceback" not in result.output


def test_a_password_in_a_setting_is_not_repeated(tmp_path: Path) -> None:
    value = "alice:hunter2@registry.example.com"
    arguments = ["config", "set", "imageMirror", value, "--env", "dev"]
    result = CliRunner().invoke(app, arguments, obj=FakeSession(tmp_path))
    assert result.exit_code == 2
    assert "must be without a user" in result.stderr
    assert "hunter2" not in result.output

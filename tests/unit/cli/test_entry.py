"""The launcher script, its start-up, shell completion, and the generated reference."""

import os
import subprocess
from pathlib import Path

import pytest

from cli import reference
from cli.environments import ROOT

LAUNCHER = ROOT / "aerodrome"


def _launch(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LAUNCHER, *arguments],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_launcher_works_from_any_folder(tmp_path: Path) -> None:
    # Modules of the folder one stands in must not be loaded in place of real ones.
    (tmp_path / "typer.py").write_text("raise SystemExit('the wrong module')")
    done = _launch("--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: aerodrome ")


def test_the_launcher_works_through_a_link(tmp_path: Path) -> None:
    link = tmp_path / "aerodrome"
    link.symlink_to(LAUNCHER)
    done = subprocess.run([link, "--help"], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("Usage: aerodrome ")


def test_without_an_environment_the_launcher_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "aerodrome").write_bytes(LAUNCHER.read_bytes())
    done = subprocess.run(
        ["sh", tmp_path / "aerodrome", "up"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert f"make -C {tmp_path} setup" in done.stderr


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    done = _launch("--help", cwd=tmp_path, PYTHONPROFILEIMPORTTIME="1")
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "cli.app" in loaded
    assert not loaded & {"rich.console", "httpx", "boto3", "pulumi", "grpc", "yaml"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_installed(shell: str, tmp_path: Path) -> None:
    done = _launch(cwd=tmp_path, _AERODROME_COMPLETE=f"source_{shell}")
    assert done.returncode == 0, done.stderr
    assert "_AERODROME_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("aerodrome d", {"down", "doctor"}),
        (
            "aerodrome config set node",
            {"nodeMin", "nodeMax", "nodeDesired", "nodeDiskGb", "nodeInstanceTypes"},
        ),
        ("aerodrome logs sch", {"scheduler"}),
        ("aerodrome up --env san", {"sandbox"}),
    ],
)
def test_words_are_completed(words: str, expected: set[str], tmp_path: Path) -> None:
    done = _launch(
        cwd=tmp_path,
        _AERODROME_COMPLETE="complete_bash",
        COMP_WORDS=words,
        COMP_CWORD=str(len(words.split()) - 1),
    )
    assert set(done.stdout.split()) == expected, done.stderr


def test_the_reference_is_up_to_date() -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    assert text == reference.document(), "run: make docs"

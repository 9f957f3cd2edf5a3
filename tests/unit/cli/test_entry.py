"""The launcher script, its start-up, shell completion, and the generated reference."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli import reference
from cli.base.paths import ROOT

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


def test_a_verb_loads_no_other() -> None:
    code = (
        "import sys; from typer.main import get_command; from cli.app import app; "
        "get_command(app).commands['list']; print(*sys.modules)"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    verbs = {name for name in done.stdout.split() if name.startswith("cli.commands.")}
    assert verbs == {"cli.commands.list_environments", "cli.commands.options"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_installed(shell: str, tmp_path: Path) -> None:
    done = _launch(cwd=tmp_path, _AERODROME_COMPLETE=f"source_{shell}")
    assert done.returncode == 0, done.stderr
    assert "_AERODROME_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("aerodrome d", {"dags", "database", "down", "doctor"}),
        (
            "aerodrome config set node",
            {"nodeMin", "nodeMax", "nodeDesired", "nodeDiskGb", "nodeInstanceTypes"},
        ),
        ("aerodrome logs sch", {"scheduler"}),
        ("aerodrome up --env san", {"sandbox"}),
        ("aerodrome upgrade --kubernetes 1.3", {"1.34", "1.35", "1.36"}),
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


def test_the_list_of_verbs_is_not_cut_off(tmp_path: Path) -> None:
    done = _launch("--help", cwd=tmp_path, COLUMNS="80")
    assert "..." not in done.stdout.partition("Commands:")[2]


@pytest.mark.parametrize(
    "words", ["up --tenancy banana --json", "extend --json --days 0", "bogus --json", "exec --json"]
)
def test_wrong_usage_is_json_too_if_that_was_asked_for(words: str, tmp_path: Path) -> None:
    done = _launch(*words.split(), cwd=tmp_path)
    assert done.returncode == 2
    assert "Usage: aerodrome" in done.stderr
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "UserError"
    assert error["summary"].rstrip(".") in done.stderr


def test_another_program_s_json_is_not_ours(tmp_path: Path) -> None:
    done = _launch("exec", "--bogus", "--", "airflow", "dags", "list", "--json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f"cd {gone} && rmdir {gone} && exec {LAUNCHER} status"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "does not exist any more" in done.stderr

"""A checkout whose `sandbox/` was deleted: what needs no cloud works for AWS with the user's own Pulumi CLI."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from cli.base.paths import ROOT
from cli.stack.place import backend_url
from sandbox import pulumi

ENVIRONMENT = "dev"


class Checkout:
    """One without the sandbox, and a stack in a backend that is a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkout"
        names = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split("\0")
        for name in names:
            file = ROOT / name
            if name and file.is_file() and not name.startswith("sandbox/"):
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, self.folder / name)
        (self.folder / ".venv").symlink_to((ROOT / ".venv").resolve())
        states = folder / "states"
        states.mkdir()
        self.variables = {
            **{key: text for key, text in os.environ.items() if not key.startswith("PULUMI")},
            **pulumi.environment(),
            "AERODROME_STATE": str(folder / "state"),
            "PULUMI_BACKEND_URL": backend_url(states),
            "PULUMI_CONFIG_PASSPHRASE": "correct horse",
            "PULUMI_HOME": str(folder / "home"),
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            list(words),
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def aerodrome(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("./aerodrome", *words)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    made = Checkout(tmp_path_factory.mktemp("no-sandbox"))
    assert not (made.folder / "sandbox").exists()
    done = made.run("pulumi", "stack", "init", ENVIRONMENT, "--non-interactive")
    assert done.returncode == 0, done.stderr
    return made


@pytest.mark.parametrize(
    ("words", "shows"),
    [
        (["--help"], "Production Apache Airflow 3 on Amazon EKS"),
        (["config", "set", "nodeMax", "6", "--env", ENVIRONMENT], "nodeMax"),
        (["config", "get", "nodeMax", "--env", ENVIRONMENT], "6"),
        (["config", "list", "--all", "--env", ENVIRONMENT], "aerodrome:nodeMax"),
        (["cost", ENVIRONMENT, "--region", "eu-central-1"], "total"),
        (["status", "--env", ENVIRONMENT], "not deployed"),
        (["outputs", "--env", ENVIRONMENT], "not deployed"),
        (["history", "--env", ENVIRONMENT], "no deployments yet"),
        (["list"], ""),
    ],
)
def test_it_works(checkout: Checkout, words: Sequence[str], shows: str) -> None:
    done = checkout.aerodrome(*words)
    assert done.returncode == 0, done.stderr
    assert shows in done.stdout


@pytest.mark.parametrize(
    "words",
    [["up", "--env", "sandbox"], ["status", "--env", "sandbox"], ["sandbox", "up"], ["doctor"]],
)
def test_what_needs_the_sandbox_says_that_it_is_missing(
    checkout: Checkout, words: Sequence[str]
) -> None:
    done = checkout.aerodrome(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "This checkout has no sandbox" in done.stderr
    assert "Traceback" not in done.stderr

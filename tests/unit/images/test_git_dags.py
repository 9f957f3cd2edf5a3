"""DAG files from a git repository: Airflow's bundle as the chart configures it, against a real server with a login."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from infra.contract.naming import Names
from infra.dag_source import dags_values, git_secret
from infra.stack import Stack
from tests.charts.rendering import render
from tests.unit.images import git_server, real_airflow

LIST = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"
TOKEN = "glpat-very-s3cret"

PROGRAM = """
import json, os, subprocess, sys
from airflow.dag_processing.bundles.manager import DagBundlesManager
def files(bundle):
    return {p.name: p.read_text() for p in sorted(bundle.path.glob("*.py"))}
manager = DagBundlesManager()
bundle = manager.get_bundle("dags-folder")
bundle.initialize()
first = bundle.get_current_version().version, files(bundle)
subprocess.run(["sh", "-c", sys.argv[1]], check=True, stdout=subprocess.DEVNULL)
bundle.refresh()
second = bundle.get_current_version().version, files(bundle)
begun = manager.get_bundle("dags-folder", version=first[0])
begun.initialize()
print(json.dumps([first, second, files(begun)]))
"""


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@dataclass
class Team:
    """A team's repository, and where it is served."""

    work: Path
    url: str
    asked: list[str]

    def settings(self, token: str = TOKEN) -> dict[str, str]:
        """Of the dag-processor's pod, and what api-servers hand to tasks."""
        settings = SimpleNamespace(
            dags="git",
            git_repository=self.url,
            git_ref="main",
            git_folder="airflow/dags/",
            git_known_hosts="",
            git_user="git",
        )
        stack = cast(
            Stack,
            SimpleNamespace(
                settings=settings,
                secrets=SimpleNamespace(git_token=token, git_key=""),
                names=Names("test"),
            ),
        )
        return {
            LIST: render(dags_values(stack)).environment()[LIST],
            "AIRFLOW_CONN_AERODROME_GIT": str(git_secret(stack)["connection"]),
        }


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    work, served = tmp_path / "work", tmp_path / "served"
    (work / "airflow" / "dags").mkdir(parents=True)
    served.mkdir()
    (work / "airflow" / "dags" / "a.py").write_text("# one\n")
    git(work, "init", "-q")
    git(work, "add", ".")
    git(work, "commit", "-qm", "one")
    git(tmp_path, "clone", "-q", "--bare", str(work), str(served / "dags.git"))
    git(work, "remote", "add", "origin", str(served / "dags.git"))
    with git_server.serving(served, f"git:{TOKEN}") as (address, asked):
        yield Team(work, f"{address}/dags.git", asked)


def run(team: Team, home: Path, settings: dict[str, str], change: str) -> Any:
    return subprocess.run(
        [real_airflow.python(), "-c", PROGRAM, change],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TMPDIR": str(home),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(home / "bundles"),
            **settings,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_follows_the_branch_and_keeps_the_commit_of_a_begun_run(
    team: Team, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    change = (
        f"cd {team.work} && echo '# two' > airflow/dags/a.py && echo > airflow/dags/b.py && git add . && "
        "git -c user.name=a -c user.email=a@b.example commit -qm two && git push -q origin HEAD:main"
    )
    one = git(team.work, "rev-parse", "HEAD")
    done = run(team, home, team.settings(), change)
    assert done.returncode == 0, done.stderr
    first, second, begun = json.loads(done.stdout.splitlines()[-1])
    assert first == [one, {"a.py": "# one\n"}]
    assert second == [git(team.work, "rev-parse", "HEAD"), {"a.py": "# two\n", "b.py": "\n"}]
    assert begun == {"a.py": "# one\n"}
    assert any(line.endswith("Basic") for line in team.asked)
    # Neither in what is logged nor in what is kept on the disk.
    assert TOKEN not in done.stdout + done.stderr
    kept = [path for path in home.rglob("*") if path.is_file()]
    assert not [path for path in kept if TOKEN.encode() in path.read_bytes()]


def test_a_wrong_token_fails_and_is_not_shown(team: Team, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    done = run(team, home, team.settings("another-s3cret"), "true")
    assert done.returncode != 0
    assert "Authentication failed" in done.stderr
    assert "another-s3cret" not in done.stdout + done.stderr

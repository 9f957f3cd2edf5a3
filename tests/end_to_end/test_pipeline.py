"""The pipeline's steps, out of the workflow files, against a sandbox: what a pull request would see.

On the sandbox of the main job. GitHub's command is a stand-in that keeps the comments in a file.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.contract.naming import branch_environment
from tests.end_to_end.kit import ROOT, Kit
from tests.pipeline.steps import Done, run_job

BRANCH = "fix/$(exit)&x"
"""Git takes it; a shell that saw it in a command would not."""

TABLE = {
    "github.head_ref": BRANCH,
    "github.token": "token",
    "github.event.pull_request.number": "7",
    "vars.AERODROME_BASE": "sandbox",
    # The sandbox's state is in its own folder.
    "vars.AERODROME_BACKEND": "unused",
}


class Agent:
    """A build agent whose base environment is the sandbox's."""

    def __init__(self, kit: Kit, folder: Path) -> None:
        self.kit = kit
        self.folder = folder
        gh = folder / "gh"
        fake = ROOT / "tests" / "pipeline" / "fake_gh.py"
        gh.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{fake}" "$@"\n')
        gh.chmod(0o755)

    def run(self, workflow: str, job: str) -> list[Done]:
        environ = self.kit.environment
        environ |= {
            "PATH": f"{self.folder}:{environ['PATH']}",
            "FAKE_GH": str(self.folder / "comments.json"),
            "GITHUB_REPOSITORY": "team/airflow",
            "RUNNER_TEMP": str(self.folder),
        }
        # The Python environment is there.
        return run_job(workflow, job, TABLE, environ, ROOT, skip=("Set up",))

    @property
    def comments(self) -> list[str]:
        found: list[dict[str, Any]] = json.loads((self.folder / "comments.json").read_text())
        return [comment["body"] for comment in found]


@pytest.fixture(scope="module")
def agent(
    kit: Kit, first: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Agent]:
    ready = Agent(kit, tmp_path_factory.mktemp("agent"))
    yield ready
    kit.run("down", "--branch", BRANCH, seconds=180)


def _succeeded(done: list[Done]) -> None:
    assert done
    assert not [step for step in done if step.code], [step.err[-3000:] for step in done]


def test_a_pull_request_sees_what_its_branch_would_change_and_cost(agent: Agent) -> None:
    _succeeded(agent.run("pull-request", "preview"))
    (comment,) = agent.comments
    assert "would do:" in comment
    assert "create" in comment
    total = next(line for line in comment.splitlines() if line.startswith("| total"))
    assert total.endswith("| 0.0000 | 0.00 |"), "a shared branch adds nothing by the hour"


def test_with_the_label_it_gets_an_airflow_whose_address_works(agent: Agent) -> None:
    _succeeded(agent.run("pull-request", "up"))
    comment = agent.comments[-1]
    assert branch_environment("sandbox", BRANCH) in comment
    url = comment.partition("<http")[2].partition(">")[0]
    answer = httpx.get(f"http{url}", follow_redirects=True, trust_env=False)
    assert answer.status_code == 200


def test_the_night_sees_both_and_takes_nothing_that_is_in_use(agent: Agent) -> None:
    found = {one["environment"]: one for one in agent.kit.json("sweep", "--dry-run")["found"]}
    # Asked outside of a repository: nobody there knows which branches are gone.
    assert found["sandbox"]["reason"] == ""
    assert found[branch_environment("sandbox", BRANCH)]["reason"] == ""


def test_closing_leaves_nothing(agent: Agent) -> None:
    _succeeded(agent.run("branch-closed", "down"))
    environments = {line["environment"] for line in agent.kit.json("list")}
    assert branch_environment("sandbox", BRANCH) not in environments

"""What holds for every workflow, beyond what actionlint sees: few rights, no keys, no branch's name in a
command, and nothing that a test does not run."""

import re
import subprocess
from typing import Any

import pytest

from sandbox import tools
from tests.pipeline.steps import EXPRESSION, ROOT, WORKFLOWS, workflow

NAMES = sorted(file.stem for file in WORKFLOWS.glob("*.yml"))
JOBS = [(name, job) for name in NAMES for job in workflow(name)["jobs"]]


def _job(name: str, job: str) -> dict[str, Any]:
    found: dict[str, Any] = workflow(name)["jobs"][job]
    return found


def test_there_are_workflows() -> None:
    assert NAMES == ["branch-closed", "pull-request", "sweep"]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_allowed_that_a_job_does_not_ask_for(name: str) -> None:
    assert workflow(name)["permissions"] == {}


@pytest.mark.parametrize(("name", "job"), JOBS)
def test_a_job_may_read_the_code_get_a_token_and_comment_at_most(name: str, job: str) -> None:
    allowed = _job(name, job)["permissions"]
    comments = any("comment" in step.get("run", "") for step in _job(name, job)["steps"])
    expected = {"contents": "read", "id-token": "write"}
    assert allowed == expected | ({"pull-requests": "write"} if comments else {})


@pytest.mark.parametrize(("name", "job"), JOBS)
def test_aws_is_reached_by_a_role_and_no_key(name: str, job: str) -> None:
    (login,) = [
        step
        for step in _job(name, job)["steps"]
        if step.get("uses", "").startswith("aws-actions/configure-aws-credentials@")
    ]
    assert set(login["with"]) == {"role-to-assume", "aws-region"}
    assert "secrets." not in (WORKFLOWS / f"{name}.yml").read_text()


@pytest.mark.parametrize(("name", "job"), JOBS)
def test_what_changes_aws_needs_an_environment_of_github(name: str, job: str) -> None:
    role = "AERODROME_PREVIEW_ROLE" if job == "preview" else "AERODROME_DEPLOY_ROLE"
    assert f"vars.{role}" in str(_job(name, job))
    assert ("environment" in _job(name, job)) is (job != "preview")


@pytest.mark.parametrize("name", ["pull-request", "branch-closed"])
def test_forks_and_other_branches_runs_stay_apart(name: str) -> None:
    document = workflow(name)
    assert "pull_request_target" not in document["on"]
    assert document["concurrency"] == {
        "group": "aerodrome-${{ github.head_ref }}",
        "cancel-in-progress": False,
    }
    first = next(iter(document["jobs"].values()))
    assert "head.repo.full_name == github.repository" in first["if"]


@pytest.mark.parametrize(("name", "job"), JOBS)
def test_shell_steps_are_calls_of_scripts_without_expressions(name: str, job: str) -> None:
    for step in _job(name, job)["steps"]:
        if "run" not in step:
            continue
        assert not EXPRESSION.search(step["run"])
        script = step["run"].split()[0]
        assert (ROOT / script).stat().st_mode & 0o100


@pytest.mark.parametrize(("name", "job"), JOBS)
def test_actions_are_pinned_by_commit(name: str, job: str) -> None:
    used = [step["uses"] for step in _job(name, job)["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each) for each in used)


def test_every_pin_tells_its_version_and_each_action_has_one() -> None:
    lines = [line for name in NAMES for line in (WORKFLOWS / f"{name}.yml").read_text().split("\n")]
    pins = {line.split("uses: ")[1] for line in lines if "uses: " in line}
    assert all(re.search(r" # v\d+\.\d+\.\d+$", pin) for pin in pins)
    assert len({pin.partition("@")[0] for pin in pins}) == len(pins)


def test_actionlint_finds_nothing() -> None:
    files = [str(WORKFLOWS / f"{name}.yml") for name in NAMES]
    done = subprocess.run(
        [tools.actionlint(), "-shellcheck=", "-pyflakes=", *files], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout.decode()

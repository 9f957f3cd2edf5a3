"""The shell steps of the workflows, run: what they call, what they say in the pull request, and whether
a failure is one."""

import json
import subprocess

import pytest

from tests.pipeline.conftest import UP, Agent

INSTALL = "-m pip install --quiet --require-hashes -r requirements/kit.txt"


def codes(done: list) -> dict[str, int]:
    return {step.name: step.code for step in done}


def test_a_pull_request_gets_preview_and_cost_as_one_comment(agent: Agent) -> None:
    done = agent.run("pull-request", "preview")
    assert codes(done) == {"Set up": 0, "Preview": 0, "Say so": 0}, done
    assert agent.calls == [
        INSTALL,
        "preview --branch fix/login",
        "cost --branch fix/login --markdown",
    ]
    (comment,) = agent.comments
    assert comment["number"] == "7"
    assert comment["body"].startswith(
        "<!-- aerodrome: preview -->\n### Preview\n\nwould do: 12 create"
    )
    assert "  + aws:s3/bucket:Bucket logs create\n\n~~~~" in comment["body"]
    assert "| total | 0.00 |" in comment["body"]


def test_a_second_push_changes_the_comment_and_adds_none(agent: Agent) -> None:
    agent.run("pull-request", "preview")
    agent.run("pull-request", "up")
    agent.says("preview", "nothing to change\n")
    agent.run("pull-request", "preview")
    preview, up = agent.comments
    assert "nothing to change" in preview["body"]
    assert up["body"].startswith("<!-- aerodrome: up -->")


def test_a_preview_that_fails_says_so_and_fails(agent: Agent) -> None:
    agent.says("preview", "", "error: nodeMax is wrong\n", code=2)
    done = agent.run("pull-request", "preview")
    assert codes(done) == {"Set up": 0, "Preview": 2, "Say so": 0}
    (comment,) = agent.comments
    assert "The preview failed with exit code 2" in comment["body"]
    assert "error: nodeMax is wrong" in comment["body"]
    assert "| total | 0.00 |" in comment["body"]


def test_a_long_preview_fits_into_a_comment(agent: Agent) -> None:
    agent.says("preview", "would do: 9 create\n", "a line of the engine\n" * 10_000 + "the last\n")
    agent.run("pull-request", "preview")
    (comment,) = agent.comments
    assert "the last" in comment["body"]


def test_with_the_label_the_branch_comes_up_and_its_address_is_said(agent: Agent) -> None:
    agent.says("up", json.dumps(UP | {"url": "http://10.0.0.1:30123"}))
    done = agent.run("pull-request", "up")
    assert codes(done) == {"Set up": 0, "Up": 0, "Say where": 0}, done
    assert agent.calls[1:] == ["up --branch fix/login --yes --json"]
    (comment,) = agent.comments
    assert "`dev-fix-login-ab12cd`" in comment["body"]
    assert "<http://10.0.0.1:30123>" in comment["body"]
    assert "Kept until 2027-02-03" in comment["body"]


def test_without_a_public_address_it_says_how_to_open_it(agent: Agent) -> None:
    agent.run("pull-request", "up")
    (comment,) = agent.comments
    assert "    ./aerodrome open --branch fix/login\n" in comment["body"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (json.dumps({"error": {"summary": "No base", "detail": "dev is away"}}), "dev is away"),
        ("", "ended without a word"),
    ],
)
def test_an_up_that_fails_says_why_and_fails(said: str, shown: str, agent: Agent) -> None:
    agent.says("up", said, "progress\n", code=1)
    done = agent.run("pull-request", "up")
    assert codes(done) == {"Set up": 0, "Up": 1, "Say where": 0}
    (comment,) = agent.comments
    assert "### The environment did not come up" in comment["body"]
    assert shown in comment["body"]


@pytest.mark.parametrize("branch", ["a b;touch x", "$(touch x)", "`touch x`", "größe/💥", "-n"])
def test_a_branch_may_be_called_anything(branch: str, agent: Agent) -> None:
    agent.branch = branch
    agent.run("pull-request", "preview")
    agent.run("pull-request", "up")
    agent.run("branch-closed", "down")
    assert f"preview --branch {branch}" in agent.calls
    assert f"up --branch {branch} --yes --json" in agent.calls
    assert f"down --branch {branch} --yes" in agent.calls
    assert not (agent.checkout / "x").exists()


def test_closing_takes_the_branch_down(agent: Agent) -> None:
    done = agent.run("branch-closed", "down")
    assert codes(done) == {"Set up": 0, "Down": 0}
    assert agent.calls[1:] == ["down --branch fix/login --yes"]


def test_a_down_that_leaves_something_fails(agent: Agent) -> None:
    agent.says("down", code=1)
    assert codes(agent.run("branch-closed", "down")) == {"Set up": 0, "Down": 1}


def test_the_night_sweeps(agent: Agent) -> None:
    done = agent.run("sweep", "sweep")
    assert codes(done) == {"Set up": 0, "Sweep": 0}
    assert agent.calls[1:] == ["sweep --yes"]


@pytest.mark.parametrize("name", ["AERODROME_BASE", "AERODROME_BACKEND"])
def test_what_was_not_set_is_named_before_anything_is_done(name: str, agent: Agent) -> None:
    agent.variables[f"vars.{name}"] = ""
    (done,) = agent.run("sweep", "sweep")
    assert done.code != 0
    assert "is not set" in done.err
    assert agent.calls == []


def test_a_comment_goes_to_a_number_only(agent: Agent) -> None:
    for number in ("", "7/../8", "x"):
        ended = subprocess.run(
            [".ci/pipeline/comment", number, "up", "/dev/null"],
            cwd=agent.checkout,
            env=agent.environ() | {"GH_TOKEN": "t"},
            check=False,
            capture_output=True,
        )
        assert ended.returncode == 2
    assert agent.comments == []

"""`aerodrome dags list` and `dags test`, and import errors after a rollout."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeSession


@pytest.fixture
def up(run: Run, session: FakeSession) -> None:
    assert run("up").exit_code == 0
    session.fake_airflow.calls.clear()


@pytest.mark.usefixtures("up")
def test_the_deployed_dags_are_listed_with_what_airflow_does_not_take(
    run: Run, run_json: Callable[..., Any], session: FakeSession
) -> None:
    session.fake_airflow.broken = [("broken.py", "Traceback\nKeyError: 'x'\n")]
    data = run_json("dags", "list")
    (dag,) = data["dags"]
    assert (dag["dag"], dag["owner"], dag["schedule"]) == ("sales", "ann", "@daily")
    assert (dag["paused"], dag["lastState"], dag["file"]) == (False, "success", "sales.py")
    assert data["importErrors"][0]["reason"] == "KeyError: 'x'"
    session.console.json = False
    shown = run("dags", "list").stdout
    assert "2027-02-28T00:00 success" in shown
    assert "broken.py: KeyError: 'x'" in shown


@pytest.mark.usefixtures("up")
def test_a_run_is_followed_to_its_end(run_json: Callable[..., Any], session: FakeSession) -> None:
    data = run_json("dags", "test", "sales", "--date", "2027-01-31", "--conf", '{"a": 1}')
    assert data["state"] == "success"
    assert {task["task"]: task["state"] for task in data["tasks"]}["load"] == "success"
    assert "trigger date=2027-01-31T00:00:00+00:00 conf={'a': 1}" in session.fake_airflow.calls


@pytest.mark.usefixtures("up")
def test_the_exit_code_is_the_runs_result(run: Run, session: FakeSession) -> None:
    session.fake_airflow.end = "failed"
    done = run("dags", "test", "sales")
    assert done.exit_code == 1
    assert "ZeroDivisionError" in done.stderr


@pytest.mark.usefixtures("up")
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("salse",), "Did you mean sales?"),
        (("sales", "--conf", "[1]"), "--conf is no JSON object"),
        (("sales", "--date", "soon"), "--date soon is no date"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_started(
    run: Run, session: FakeSession, words: tuple[str, ...], reason: str
) -> None:
    done = run("dags", "test", *words)
    assert done.exit_code == 2
    assert reason in done.stderr
    assert not [call for call in session.fake_airflow.calls if call.startswith("trigger")]


@pytest.mark.usefixtures("up")
def test_a_paused_dag_is_unpaused_only_if_somebody_says_so(run: Run, session: FakeSession) -> None:
    session.fake_airflow.paused = True
    refused = run("dags", "test", "sales")
    assert refused.exit_code == 2
    assert "./aerodrome dags test sales --unpause" in refused.stderr
    assert "unpause" not in session.fake_airflow.calls
    assert run("dags", "test", "sales", "--unpause").exit_code == 0
    assert "unpause" in session.fake_airflow.calls


@pytest.mark.parametrize("words", [("nowhere",), (".", "--variables", "nowhere.yaml")])
def test_a_check_of_what_is_not_there_is_refused(run: Run, words: tuple[str, ...]) -> None:
    done = run("dags", "check", *words)
    assert done.exit_code == 2
    assert "nowhere" in done.stderr


def test_a_check_needs_a_dag_processor_if_the_environment_is_deployed(
    run: Run, session: FakeSession, tmp_path: Path
) -> None:
    assert run("up").exit_code == 0
    done = run("dags", "check", str(tmp_path))
    assert done.exit_code == 1
    assert "./aerodrome dags check --local" in done.stderr


def test_up_fails_on_a_dag_file_that_the_running_airflow_does_not_take(
    run: Run, session: FakeSession
) -> None:
    session.fake_airflow.broken = [("broken.py", "Traceback\nKeyError: 'x'\n")]
    session.fake_kubernetes.pods = [
        {
            "metadata": {"name": "airflow-dag-processor-1"},
            "status": {"phase": "Running", "startTime": "2027-03-01T12:00:00Z"},
        }
    ]
    done = run("up")
    assert done.exit_code == 1
    assert "The running Airflow does not take 1 DAG file" in done.stderr
    assert "broken.py: KeyError: 'x'" in done.stderr

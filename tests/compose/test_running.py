"""The first start of a compose file, as somebody meets it: login, a DAG through Celery, Flower, down.

Three troubles of the report are here: no account at the first start, an entrypoint that cannot be executed,
Flower and workers with the commands of an older Airflow.
"""

import time

import httpx
import pytest

from cli.base.airflow import Airflow
from tests.compose.conftest import Running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

DAG = "aerodrome_proof"
PATIENCE = 240.0


def test_every_service_is_healthy_and_the_migration_is_through(running: Running) -> None:
    states = {
        str(one["Labels"]["com.docker.compose.service"]): str(one["Status"])
        for one in running.podman.containers()
    }
    assert set(states) == set(running.report["services"])
    assert states.pop("migration").startswith("Exited (0)")
    # It has no probe in the chart either.
    assert states.pop("log-server").startswith("Up")
    unhealthy = {name: state for name, state in states.items() if "(healthy)" not in state}
    assert not unhealthy


def test_the_administrator_logs_in_at_the_first_start_and_nobody_else_does(
    running: Running,
) -> None:
    def ask(password: str) -> httpx.Response:
        login = {"username": running.report["user"], "password": password}
        return httpx.post(f"{running.report['url']}/auth/token", json=login, timeout=PATIENCE)

    assert ask(running.password).json()["access_token"]
    assert ask("another password").status_code == 401


def test_a_dag_runs_through_celery_and_its_log_is_there(running: Running) -> None:
    with Airflow(
        running.report["url"], running.report["user"], running.password, patience=PATIENCE
    ) as airflow:
        deadline = time.monotonic() + 180
        while not airflow.has_dag(DAG):
            assert time.monotonic() < deadline, airflow.import_errors()
            time.sleep(2)
        airflow.unpause(DAG)
        airflow.trigger(DAG, "by-test")
        while (state := airflow.run_state(DAG, "by-test")) not in ("success", "failed"):
            assert time.monotonic() < deadline + 300, state
            time.sleep(1)
        tasks = airflow.tasks(DAG, "by-test")
        assert state == "success"
        assert tasks and {task["state"] for task in tasks} == {"success"}
        for task in tasks:
            assert airflow.log(DAG, "by-test", task["task_id"], task["try_number"])


def test_flower_has_a_login_and_lists_the_worker(running: Running) -> None:
    url = f"{running.report['flower_url']}/api/workers"
    assert httpx.get(url, timeout=PATIENCE).status_code == 401
    login = (running.report["user"], running.password)
    deadline = time.monotonic() + PATIENCE
    workers: dict[str, object] = {}
    while not workers and time.monotonic() < deadline:
        workers = httpx.get(url, params={"refresh": 1}, auth=login, timeout=PATIENCE).json()
    assert [name.partition("@")[0] for name in workers] == ["celery"]


def test_no_secret_is_shown_by_whoever_lists_containers_or_processes(running: Running) -> None:
    secrets = [file.read_text() for file in (running.folder / "secrets").iterdir()]
    containers = [str(one["Id"]) for one in running.podman.containers()]
    shown = running.podman("inspect", *containers)
    shown += running.compose("config")
    for container in containers:
        shown += running.podman("top", container, "args", check=False)
    assert len(secrets) > 8
    assert not [secret for secret in secrets if secret in shown]


def test_down_takes_everything_away(running: Running) -> None:
    began = time.monotonic()
    running.compose("down", "--volumes")
    # Idle workers do not use up their hour of grace.
    assert time.monotonic() - began < 180
    assert running.podman.containers() == []
    assert not running.podman("volume", "ls", "--quiet").split()

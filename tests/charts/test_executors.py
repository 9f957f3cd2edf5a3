"""The chart renders each executor, and several at once, as the shared table describes them."""

import itertools
import json

import pytest

from infra.contract.executors import DEFAULT, EXECUTORS, Executor, check, executor
from tests.charts.rendering import CHART, Rendered, render

SEVERAL = [
    ",".join(names) for names in itertools.permutations(EXECUTORS, 2) if not check(",".join(names))
]
CASES = [*EXECUTORS, *SEVERAL]
each = pytest.mark.parametrize("wanted", [executor(name) for name in CASES], ids=CASES)

BESIDE_THE_TABLE = {"database", "migration"}
"""Components that do not depend on the executor."""


def components(rendered: Rendered) -> set[str]:
    return {
        item["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]
        for item in rendered.objects
        if item["kind"] in ("Deployment", "StatefulSet", "Job")
    }


def test_the_default_is_in_the_table() -> None:
    assert DEFAULT in EXECUTORS
    assert "LocalExecutor,KubernetesExecutor" in SEVERAL


def test_no_template_asks_for_an_executor_by_its_name() -> None:
    templates = [path for path in (CHART / "templates").rglob("*") if path.is_file()]
    assert not [path for path in templates for name in EXECUTORS if name in path.read_text()]


@each
def test_its_components_are_there(wanted: Executor) -> None:
    rendered = render({"executor": wanted.name})
    assert rendered.error == ""
    assert components(rendered) - BESIDE_THE_TABLE == set(wanted.components)


@each
def test_airflow_gets_its_own_names_for_them_in_order(wanted: Executor) -> None:
    settings = render({"executor": wanted.name}).environment()
    assert settings["AIRFLOW__CORE__EXECUTOR"].split(",") == list(wanted.classes)
    assert settings["AIRFLOW__CORE__PARALLELISM"] == str(wanted.parallelism)


@each
def test_its_tasks_run_where_it_says(wanted: Executor) -> None:
    rendered = render({"executor": wanted.name})
    patterns = [o for o in rendered.objects if o["metadata"]["name"] == "airflow-pod-template"]
    assert bool(patterns) is wanted.task_pods
    if wanted.task_pods:
        labels = rendered.worker()["metadata"]["labels"]
        assert labels["app.kubernetes.io/component"] in wanted.runs_tasks
    assert set(wanted.task_hosts) <= components(rendered)


@each
def test_who_runs_tasks_and_nobody_else_waits_for_s3_to_save_a_log(wanted: Executor) -> None:
    # A scheduler or a UI that waits for minutes would do nothing else meanwhile.
    rendered = render({"executor": wanted.name, "logs": {"bucket": "my-logs"}})
    connection = "AIRFLOW_CONN_AERODROME_LOGS"
    patient = {
        pod.removeprefix("airflow-")
        for pod, spec in rendered.pod_specs()
        for container in spec["containers"]
        for item in container.get("env", [])
        if item["name"] == connection and _attempts(item["value"]) >= 20
    }
    assert patient == set(wanted.runs_tasks)
    assert _attempts(rendered.find("ConfigMap", "airflow-config")["data"][connection]) <= 3


def _attempts(connection: str) -> int:
    found: int = json.loads(connection)["extra"]["config_kwargs"]["retries"]["total_max_attempts"]
    return found


@each
def test_nobody_else_gets_a_token(wanted: Executor) -> None:
    rendered = render({"executor": wanted.name, "workers": {"startPods": False}})
    with_token = {
        name.removeprefix("airflow-")
        for name, spec in rendered.pod_specs()
        if spec.get("automountServiceAccountToken")
    }
    assert with_token == set(wanted.kubernetes_token)


@each
def test_who_runs_tasks_gets_one_where_tasks_start_pods(wanted: Executor) -> None:
    rendered = render({"executor": wanted.name})
    with_token = {
        name.removeprefix("airflow-")
        for name, spec in rendered.pod_specs()
        if spec.get("automountServiceAccountToken")
    }
    assert with_token == {*wanted.kubernetes_token, *wanted.runs_tasks, "triggerer"}


@each
def test_the_role_stays_for_a_scheduler_of_the_executor_before(wanted: Executor) -> None:
    assert render({"executor": wanted.name}).find("Role", "airflow-pod-launcher")

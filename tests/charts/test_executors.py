"""The chart renders each executor as the shared table describes it."""

import json

import pytest

from infra.contract.executors import DEFAULT, EXECUTORS, Executor
from tests.charts.rendering import CHART, render

executor = pytest.mark.parametrize("executor", EXECUTORS.values(), ids=EXECUTORS)


def test_the_schema_takes_the_executors_of_the_table() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert schema["properties"]["executor"]["enum"] == list(EXECUTORS)
    assert DEFAULT in EXECUTORS


def test_no_template_asks_for_an_executor_by_its_name() -> None:
    templates = [path for path in (CHART / "templates").rglob("*") if path.is_file()]
    assert not [path for path in templates for name in EXECUTORS if name in path.read_text()]


@executor
def test_its_components_are_there(executor: Executor) -> None:
    rendered = render({"executor": executor.name})
    deployments = {
        item["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]
        for item in rendered.objects
        if item["kind"] == "Deployment"
    }
    assert deployments == set(executor.components)


@executor
def test_its_tasks_run_where_it_says(executor: Executor) -> None:
    rendered = render({"executor": executor.name})
    patterns = [o for o in rendered.objects if o["metadata"]["name"] == "airflow-pod-template"]
    assert bool(patterns) is executor.task_pods
    if executor.task_pods:
        labels = rendered.worker()["metadata"]["labels"]
        assert labels["app.kubernetes.io/component"] == executor.runs_tasks


@executor
def test_nobody_else_gets_a_token(executor: Executor) -> None:
    rendered = render({"executor": executor.name, "workers": {"startPods": False}})
    with_token = {
        name.removeprefix("airflow-")
        for name, spec in rendered.pod_specs()
        if spec.get("automountServiceAccountToken")
    }
    assert with_token == set(executor.kubernetes_token)
    assert bool(rendered.kinds() & {"Role", "RoleBinding"}) is bool(executor.kubernetes_token)

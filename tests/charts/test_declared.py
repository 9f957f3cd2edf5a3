"""Pools, variables and connections on their way to the migration Job: secrets as references, a change as another Job."""

import json

import pytest

from tests.charts.rendering import Object, Rendered, render
from tests.charts.rollouts import replaced

CRM: Object = {
    "secrets": {"declared": "my-declared"},
    "variables": {"token": {"config": "token"}, "colour": "blue"},
    "connections": {
        "crm": {
            "type": "http",
            "password": {"secret": {"name": "crm", "key": "password"}},
            "secretExtra": {"config": "token"},
        }
    },
}


def declared(rendered: Rendered) -> Object:
    assert rendered.error == ""
    text = rendered.find("ConfigMap", "airflow-declared")["data"]["declared.json"]
    found: Object = json.loads(text)
    return found


def variables(rendered: Rendered) -> dict[str, Object]:
    (pod,) = [one for name, one in rendered.pod_specs() if name.startswith("airflow-migrate")]
    items = pod["containers"][0]["env"]
    return {one["name"]: one for one in items if one["name"].startswith("DECLARED_")}


def test_nothing_is_declared_by_default() -> None:
    found = declared(render())
    assert [found[key] for key in ("pools", "variables", "connections")] == [{}, {}, {}]
    assert set(variables(render())) == {"DECLARED_FILE"}


def test_each_secret_is_one_variable_of_the_jobs_container_and_the_file_has_its_name() -> None:
    rendered = render(CRM)
    found, there = declared(rendered), variables(rendered)
    crm = found["connections"]["crm"]
    password, token = crm["password"]["variable"], found["variables"]["token"]["variable"]
    assert crm["secretExtra"]["variable"] == token
    assert set(there) == {"DECLARED_FILE", password, token}
    assert there[password]["valueFrom"]["secretKeyRef"] == {
        "name": "crm",
        "key": "password",
        # The Job says what is missing; Kubernetes would let the pod wait.
        "optional": True,
    }
    assert there[token]["valueFrom"]["secretKeyRef"]["name"] == "my-declared"


def test_no_other_pod_reads_them() -> None:
    rendered = render(CRM)
    for name, container in rendered.containers():
        text = json.dumps(container)
        assert ("DECLARED_" in text) == name.startswith("airflow-migrate"), name


@pytest.mark.parametrize(
    "change",
    [
        {"pools": {"heavy": {"slots": 2}}},
        {"variables": {"colour": "red"}},
        {"connections": {"crm": {"host": "crm.example"}}},
        {"prune": ["pools"]},
        {"secretsChecksums": {"declared": "another"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_change_makes_another_job_and_replaces_no_other_pod(change: Object) -> None:
    assert replaced(render(CRM), render(CRM, change)) == {"migration"}


def test_a_secret_of_the_configuration_needs_the_programs_secret() -> None:
    assert "secrets.declared" in render(CRM, {"secrets": {"declared": ""}}).error


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"pools": {"heavy": {"slots": "many"}}}, "slots"),
        ({"pools": {"heavy": {}}}, "slots"),
        ({"pools": {"p" * 257: {"slots": 1}}}, "pppp"),
        ({"variables": {"a": {"vaule": "x"}}}, "vaule"),
        ({"connections": {"has blanks": {"type": "http"}}}, "has blanks"),
        ({"connections": {"crm": {"type": "http", "password": "clear"}}}, "password"),
        ({"connections": {"crm": {"type": "http", "port": 70000}}}, "port"),
        ({"connections": {"crm": {"host": "x"}}}, "type"),
        ({"prune": ["everything"]}, "prune"),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else value,
)
def test_what_is_no_declaration_is_refused(value: Object, named: str) -> None:
    assert named in render(value).error

"""Roles and users on their way to the migration Job."""

import json

import pytest

from tests.charts.rendering import Object, Rendered, render
from tests.charts.rollouts import replaced

DECLARED: Object = {
    "roles": {"reader": {"Pools": ["can_read"]}},
    "users": {"alice": {"email": "alice@example.org", "name": "Alice", "roles": ["reader"]}},
    "prune": [],
}
ACCESS: Object = {"access": json.dumps(DECLARED), "secrets": {"access": "my-access"}}


def variables(rendered: Rendered) -> dict[str, Object]:
    (pod,) = [one for name, one in rendered.pod_specs() if name.startswith("airflow-migrate")]
    items = pod["containers"][0]["env"]
    return {one["name"]: one for one in items if one["name"].startswith("ACCESS_")}


def test_by_default_the_job_looks_at_no_roles() -> None:
    assert variables(render()) == {}
    assert set(render().find("ConfigMap", "airflow-declared")["data"]) == {"declared.json"}


def test_the_job_gets_the_file_and_the_passwords_and_no_other_pod_does() -> None:
    rendered = render(ACCESS)
    data = rendered.find("ConfigMap", "airflow-declared")["data"]
    assert json.loads(data["access.json"]) == DECLARED
    there = variables(rendered)
    assert there["ACCESS_FILE"]["value"] == "/opt/airflow/declared/access.json"
    reference = there["ACCESS_PASSWORDS"]["valueFrom"]["secretKeyRef"]
    assert reference == {"name": "my-access", "key": "passwords.json"}
    for name, container in rendered.containers():
        assert ("my-access" in json.dumps(container)) == name.startswith("airflow-migrate"), name


def test_owners_are_for_the_dag_processor_and_the_api_server_alone() -> None:
    owners = {"alpha": {"folders": ["a"], "prefixes": [], "access": {"reader": ["can_read"]}}}
    first = {"access": json.dumps({**DECLARED, "owners": owners})}
    readers = {"api-server", "dag-processor", "migration"}
    # The scheduler is told that there are owners, and no more.
    assert replaced(render(ACCESS), render(ACCESS, first)) == {*readers, "scheduler"}
    owners["alpha"]["folders"] = ["b"]
    second = {"access": json.dumps({**DECLARED, "owners": owners})}
    assert replaced(render(ACCESS, first), render(ACCESS, second)) == readers


def test_a_change_makes_another_job_and_replaces_no_other_pod() -> None:
    bob = {"email": "b@x.org", "name": "Bob", "roles": ["Op"]}
    more = {"access": json.dumps({**DECLARED, "users": {"bob": bob}})}
    assert replaced(render(ACCESS), render(ACCESS, more)) == {"migration"}
    checksum = {"secretsChecksums": {"access": "another"}}
    assert replaced(render(ACCESS), render(ACCESS, checksum)) == {"migration"}


FINANCE: Object = {
    "folders": ["fin"], "prefixes": ["fin_"], "access": {}, "account": "airflow-tasks-finance"
}  # fmt: skip
APART: Object = {
    "access": json.dumps({**DECLARED, "owners": {"finance": FINANCE, "other": {**FINANCE, "account": ""}}}),
    "workers": {"startPods": False},
}  # fmt: skip


def service_accounts(rendered: Rendered) -> dict[str, Object]:
    found = [one for one in rendered.objects if one["kind"] == "ServiceAccount"]
    return {one["metadata"]["name"]: one for one in found}


def test_tasks_have_airflows_account_where_no_owner_has_one() -> None:
    rendered = render()
    assert set(service_accounts(rendered)) == {"airflow"}
    assert rendered.worker()["spec"]["serviceAccountName"] == "airflow"


def test_tasks_are_nobody_of_airflows_where_an_owner_has_an_account() -> None:
    rendered = render(APART)
    accounts = service_accounts(rendered)
    assert set(accounts) == {"airflow", "airflow-tasks", "airflow-tasks-finance"}
    assert not any(one["automountServiceAccountToken"] for one in accounts.values())
    assert rendered.worker()["spec"]["serviceAccountName"] == "airflow-tasks"
    # And what runs beside them stays who it was.
    for name, pod in rendered.pod_specs():
        assert ("tasks" in pod.get("serviceAccountName", "")) == (name == "airflow-worker"), name
    (scheduler,) = (pod for name, pod in rendered.pod_specs() if name == "airflow-scheduler")
    env = {one["name"]: one.get("value") for one in scheduler["containers"][0]["env"]}
    told = json.loads(env["AERODROME_TASK_ACCOUNTS"])
    assert told["finance"] == {key: FINANCE[key] for key in ("folders", "prefixes", "account")}


def test_an_account_of_an_owner_replaces_who_reads_it() -> None:
    owners = {"finance": {**FINANCE, "account": ""}}
    before = render(APART, {"access": json.dumps({**DECLARED, "owners": owners})})
    assert replaced(before, render(APART)) == {
        "api-server", "dag-processor", "migration", "scheduler"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"workers": {"startPods": True}}, "workers.startPods: false"),
        ({"executor": "KubernetesExecutor,LocalExecutor"}, "tasks of several owners share one"),
    ],
)
def test_an_account_is_refused_where_a_task_could_take_it(more: Object, told: str) -> None:
    assert told in render(APART, more).error

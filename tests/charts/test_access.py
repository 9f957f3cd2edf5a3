"""Roles and users on their way to the migration Job."""

import json

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

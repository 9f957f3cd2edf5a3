"""The chart that makes and drops a branch's database."""

from typing import Any

import pytest
import yaml

from tests.charts.rendering import ROOT, Object, Rendered, merge, render_exactly

CHART = ROOT / "charts" / "branch-database"
EVERYTHING: Object = yaml.safe_load((CHART / "tests" / "lint-values.yaml").read_text())
REQUIRED: Object = {
    key: EVERYTHING[key] for key in ("image", "adminSecret", "database", "passwordSecret")
}
RELEASE = "database-dev-x-012345"


def render(values: Object = REQUIRED, **changes: Any) -> Rendered:
    return render_exactly(merge(values, changes), RELEASE, "airflow", CHART)


def jobs(rendered: Rendered) -> tuple[Object, Object]:
    """The one that makes, the one that drops."""
    assert not rendered.error
    make, drop = sorted(rendered.objects, key=lambda job: str(job["metadata"]["name"]))
    return make, drop


def container(job: Object) -> Object:
    """Of the database itself; the results' is the second, if it is there."""
    found = job["spec"]["template"]["spec"]["containers"][0]
    return dict(found)


def databases(job: Object) -> list[tuple[str, str]]:
    """(what is done, with which one)"""
    containers = job["spec"]["template"]["spec"]["containers"]
    return [(each["args"][2], each["args"][3]) for each in containers]


def secrets(job: Object) -> set[str]:
    references = [item.get("valueFrom", {}).get("secretKeyRef") for item in container(job)["env"]]
    return {reference["name"] for reference in references if reference}


@pytest.mark.parametrize("values", [REQUIRED, EVERYTHING], ids=["required", "everything"])
def test_two_jobs_and_nothing_else(values: Object) -> None:
    make, drop = jobs(render(values))
    assert {make["kind"], drop["kind"]} == {"Job"}


def test_one_makes_the_other_drops_the_same_database() -> None:
    make, drop = jobs(render())
    script = "/opt/airflow/scripts/branch_database.py"
    assert container(make)["args"] == ["python", script, "create", "airflow_dev_x_012345"]
    assert container(drop)["args"] == ["python", script, "drop", "airflow_dev_x_012345"]
    assert (ROOT / "images" / "airflow" / "scripts" / "branch_database.py").is_file()


@pytest.mark.parametrize("create", [True, False])
def test_the_results_have_a_database_of_their_own_that_goes_in_any_case(create: bool) -> None:
    make, drop = jobs(render(results={"create": create, "database": "x_celery"}))
    own = "airflow_dev_x_012345"
    assert databases(make) == [("create", own), *([("create", "x_celery")] if create else [])]
    assert databases(drop) == [("drop", own), ("drop", "x_celery")]
    if create:
        results = make["spec"]["template"]["spec"]["containers"][1]
        keys = [e["valueFrom"]["secretKeyRef"]["key"] for e in results["env"] if "valueFrom" in e]
        assert keys == ["connection", "results-password"]


def test_the_second_user_is_made_and_dropped_with_it() -> None:
    def told(job: Object, number: int = 0) -> dict[str, Any]:
        found = job["spec"]["template"]["spec"]["containers"][number]["env"]
        return {each["name"]: each.get("value", each.get("valueFrom")) for each in found}

    results = {"create": True, "database": "x_celery"}
    make, drop = jobs(render(secondUser="airflow_x_second", results=results))
    assert told(make)["SECOND_USER"] == told(drop)["SECOND_USER"] == "airflow_x_second"
    assert told(make)["SECOND_PASSWORD"]["secretKeyRef"]["key"] == "second-password"
    assert "SECOND_PASSWORD" not in told(drop)
    # Those of Celery's results have one of their own.
    assert not {"SECOND_USER", "SECOND_PASSWORD"} & {**told(make, 1), **told(drop, 1)}.keys()
    assert "SECOND_USER" not in told(jobs(render())[0])


def test_so_has_that_of_the_results() -> None:
    results = {"create": True, "database": "x_celery", "secondUser": "x_celery_second"}
    make, drop = (
        job["spec"]["template"]["spec"]["containers"][1]["env"]
        for job in jobs(render(results=results))
    )
    told = {one["name"]: one.get("value", one.get("valueFrom")) for one in make}
    assert told["SECOND_USER"] == "x_celery_second"
    assert told["SECOND_PASSWORD"]["secretKeyRef"]["key"] == "results-second-password"
    assert {"name": "SECOND_USER", "value": "x_celery_second"} in drop
    assert "SECOND_PASSWORD" not in str(drop)


def test_making_is_a_part_of_the_release_and_waited_for() -> None:
    make, _ = jobs(render())
    assert "annotations" not in make["metadata"]


def test_dropping_happens_when_the_release_goes_and_leaves_no_job() -> None:
    _, drop = jobs(render())
    notes = drop["metadata"]["annotations"]
    assert notes["helm.sh/hook"] == "pre-delete"
    assert set(notes["helm.sh/hook-delete-policy"].split(",")) == {
        "before-hook-creation",
        "hook-succeeded",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"image": REQUIRED["image"].replace("1", "2")},
        {"secretsChecksum": "other"},
        {"labels": {"team": "data"}},
        {"waitSeconds": 5},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_changes_in_it_makes_another_job(change: Object) -> None:
    # Kubernetes refuses a change of a Job's template, and the whole upgrade with it.
    other, before = jobs(render(**change))[0], jobs(render())[0]
    assert other["spec"]["template"] != before["spec"]["template"]
    assert other["metadata"]["name"] != before["metadata"]["name"]
    assert jobs(render())[0] == before


def test_names_fit_even_for_the_longest_environment() -> None:
    release = f"database-{'e' * 28}"
    rendered = render_exactly(REQUIRED, release, "airflow", CHART)
    for job in rendered.objects:
        # The Job's name is a label of its pods.
        assert len(job["metadata"]["name"]) <= 63


def test_dropping_needs_no_secret_of_the_branch() -> None:
    make, drop = jobs(render())
    assert secrets(make) == {"airflow-database", "database-dev-x-012345"}
    assert secrets(drop) == {"airflow-database"}


def test_no_password_is_on_a_command_line() -> None:
    for job in jobs(render(EVERYTHING)):
        plain = {item["name"]: item.get("value") for item in container(job)["env"]}
        assert plain["ADMIN_CONNECTION"] is None
        assert "command" not in container(job)


def test_the_pods_are_confined() -> None:
    for job in jobs(render()):
        spec, made = job["spec"]["template"]["spec"], container(job)
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert made["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_the_databases_network_policy_lets_them_in() -> None:
    for job in jobs(render()):
        assert job["spec"]["template"]["metadata"]["labels"]["aerodrome/uses-database"] == "true"


def test_they_say_whose_they_are() -> None:
    for job in jobs(render(EVERYTHING)):
        assert job["metadata"]["labels"]["aerodrome/environment"] == "dev-x-012345"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"databse": "x"}, "databse"),
        ({"database": "a;drop"}, "database"),
        ({"database": "a-b"}, "database"),
        # A tag can be moved, and with it what meets the password.
        ({"image": "registry.example/airflow:latest"}, "image"),
        ({"adminSecret": ""}, "adminSecret"),
    ],
)
def test_what_is_not_right_is_refused_by_name(change: Object, named: str) -> None:
    assert named in render(**change).error


SERVER = {
    "instance": "team-postgres",
    "host": "team-postgres.example.com",
    "secret": "arn:aws:secretsmanager:eu-north-1:123456789012:secret:rds!db-0a1b-AbCdEf",
    "mark": "aerodrome:environment=prod",
}


def existing(**changes: Any) -> Object:
    """What an environment says whose server was there before it."""
    values = {key: value for key, value in REQUIRED.items() if key != "adminSecret"}
    named = {"database": "airflow_prod", "secondUser": "airflow_prod__second"}
    return {**values, **named, "server": {**SERVER, **changes}}


def of_kind(rendered: Rendered, kind: str) -> list[Object]:
    assert not rendered.error
    return [one for one in rendered.objects if one["kind"] == kind]


class TestServerThatIsThere:
    """Its Jobs read the secret themselves, by a service account that nothing else is."""

    def test_no_secret_of_kubernetes_has_who_makes_databases(self) -> None:
        rendered = render_exactly(existing(), RELEASE, "database-admin", CHART)
        make, drop = sorted(of_kind(rendered, "Job"), key=lambda job: str(job["metadata"]["name"]))
        (account,) = of_kind(rendered, "ServiceAccount")
        for job, command in ((make, "create"), (drop, "drop")):
            pod = job["spec"]["template"]["spec"]
            assert pod["serviceAccountName"] == account["metadata"]["name"] == "database-admin"
            script = "/opt/airflow/scripts/existing_server.py"
            assert container(job)["args"] == ["python", script, command, "airflow_prod"]
            given = {one["name"]: one.get("value") for one in container(job)["env"]}
            assert given["ADMIN_SECRET"] == SERVER["secret"]
            assert "ADMIN_CONNECTION" not in given
            assert (given["SERVER_PORT"], given["SERVER_CONNECTIONS"]) == ("5432", "100")
            # What cannot go better ends at once, with the reason.
            assert container(job)["terminationMessagePolicy"] == "FallbackToLogsOnError"
            codes = job["spec"]["podFailurePolicy"]["rules"][1]["onExitCodes"]
            assert codes == {"containerName": command, "operator": "In", "values": [3]}
            assert container(job)["name"] == command
        assert secrets(make) == {REQUIRED["passwordSecret"]}
        assert secrets(drop) == set()
        assert (ROOT / "images" / "airflow" / "scripts" / "existing_server.py").is_file()

    def test_what_is_to_outlive_the_release_is_not_dropped(self) -> None:
        kept = render_exactly(existing(keep=True), RELEASE, "database-admin", CHART)
        (make,) = of_kind(kept, "Job")
        assert container(make)["name"] == "create"

    @pytest.mark.parametrize("missing", ["instance", "secret", "mark"])
    def test_a_part_that_is_missing_is_named(self, missing: str) -> None:
        values = existing(**{missing: ""})
        assert missing in render_exactly(values, RELEASE, "database-admin", CHART).error

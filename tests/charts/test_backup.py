"""The CronJob that backs the database up: off by default, and apart from everything that tasks may do."""

import pytest

from tests.charts.rendering import Object, Rendered, render

ON: Object = {"backup": {"enabled": True, "bucket": "my-bucket"}}


@pytest.fixture(scope="module")
def rendered() -> Rendered:
    return render(ON)


def _pod(rendered: Rendered) -> Object:
    job: Object = rendered.find("CronJob", "airflow-backup")["spec"]["jobTemplate"]
    template: Object = job["spec"]["template"]
    return template


def test_without_the_value_there_is_none() -> None:
    assert "CronJob" not in render().kinds()


def test_its_service_account_is_no_other_pods(rendered: Rendered) -> None:
    accounts = {
        name: spec["serviceAccountName"]
        for name, spec in rendered.pod_specs()
        if "serviceAccountName" in spec
    }
    assert accounts.pop("airflow-backup") == "airflow-backup"
    assert set(accounts.values()) == {"airflow"}
    assert rendered.find("ServiceAccount", "airflow-backup")


def test_it_may_reach_the_database_and_is_told_where_to_write(rendered: Rendered) -> None:
    pod = _pod(rendered)
    assert pod["metadata"]["labels"]["aerodrome/uses-database"] == "true"
    (container,) = pod["spec"]["containers"]
    variables = {one["name"]: one.get("value") for one in container["env"]}
    assert variables["BACKUP_BUCKET"] == "my-bucket"
    assert variables["BACKUP_PREFIX"] == "backups"


def test_nights_do_not_overlap(rendered: Rendered) -> None:
    spec = rendered.find("CronJob", "airflow-backup")["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["timeZone"] == "Etc/UTC"


def test_without_a_bucket_it_is_refused() -> None:
    assert "backup.bucket" in render({"backup": {"enabled": True}}).error


@pytest.mark.parametrize("schedule", ["", "daily", "1 2 3 4", "@never", "1 2 3 4 5 6"])
def test_a_schedule_that_is_none_is_refused(schedule: str) -> None:
    assert "schedule" in render(ON, {"backup": {"schedule": schedule}}).error

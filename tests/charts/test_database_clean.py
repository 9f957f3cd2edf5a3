"""The CronJob that moves old rows to a bucket: off by default, and apart from everything that tasks may do."""

import pytest

from tests.charts.rendering import Object, Rendered, render

ON: Object = {"databaseClean": {"enabled": True, "bucket": "my-bucket"}}
NAME = "airflow-database-clean"


@pytest.fixture(scope="module")
def rendered() -> Rendered:
    return render(ON)


@pytest.fixture
def pod(rendered: Rendered) -> Object:
    job: Object = rendered.find("CronJob", NAME)["spec"]["jobTemplate"]["spec"]
    template: Object = job["template"]
    return template


def test_without_the_value_there_is_none() -> None:
    assert "CronJob" not in render().kinds()


def test_its_service_account_is_no_other_pods(rendered: Rendered) -> None:
    accounts = {
        name: spec["serviceAccountName"]
        for name, spec in rendered.pod_specs()
        if "serviceAccountName" in spec
    }
    assert accounts.pop(NAME) == NAME
    assert set(accounts.values()) == {"airflow"}
    account = rendered.find("ServiceAccount", NAME)
    assert account["automountServiceAccountToken"] is False


def test_it_reaches_the_database_and_gets_no_other_secret(pod: Object) -> None:
    assert pod["metadata"]["labels"]["aerodrome/uses-database"] == "true"
    (container,) = pod["spec"]["containers"]
    secrets = [one["name"] for one in container["env"] if "valueFrom" in one]
    assert secrets == ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]


def test_it_is_told_what_is_old_and_where_that_goes(pod: Object) -> None:
    (container,) = pod["spec"]["containers"]
    told = {one["name"]: one.get("value") for one in container["env"]}
    assert told["CLEAN_KEEP_DAYS"] == "365"
    assert told["CLEAN_BATCH_ROWS"] == "5000"
    assert told["CLEAN_BUCKET"] == "my-bucket"
    assert told["CLEAN_PREFIX"] == "database-archive"


def test_nights_do_not_overlap(rendered: Rendered) -> None:
    spec = rendered.find("CronJob", NAME)["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["timeZone"] == "Etc/UTC"


def test_nobody_calls_it() -> None:
    fenced = render(ON, {"networkPolicies": {"enabled": True}})
    policy = fenced.find("NetworkPolicy", NAME)["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    assert policy["ingress"] == []


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"bucket": ""}, "databaseClean.bucket"),
        ({"keepDays": 0}, "keepDays"),
        ({"batchRows": 1}, "batchRows"),
        ({"schedule": "daily"}, "schedule"),
    ],
)
def test_bad_values_are_refused(value: Object, told: str) -> None:
    assert told in render(ON, {"databaseClean": value}).error

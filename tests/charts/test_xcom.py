"""Large XComs: in which bucket and folder, from which size on, and who deletes them."""

import pytest

from tests.charts.rendering import Object, render

LOGS: Object = {"logs": {"bucket": "my-logs", "prefix": "x/logs"}}
PREFIX = "AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_"


def test_they_go_to_the_bucket_of_the_logs_into_a_folder_of_their_own() -> None:
    settings = render(LOGS, {"xcom": {"prefix": "x/xcom"}}).environment()
    assert settings["AIRFLOW__CORE__XCOM_BACKEND"] == "aerodrome_xcom.XComBackend"
    assert settings[f"{PREFIX}PATH"] == "s3://aws_default@my-logs/x/xcom"
    assert settings["AIRFLOW_CONN_AWS_DEFAULT"].startswith("aws://")


def test_small_values_stay_in_the_database() -> None:
    settings = render(LOGS).environment()
    assert settings[f"{PREFIX}THRESHOLD"] == str(256 * 1024)
    assert settings[f"{PREFIX}COMPRESSION"] == "gzip"


def test_a_bucket_of_their_own_wins() -> None:
    settings = render(LOGS, {"xcom": {"bucket": "other"}}).environment()
    assert settings[f"{PREFIX}PATH"] == "s3://aws_default@other/xcom"


def test_no_compression_is_said_as_airflow_says_it() -> None:
    settings = render(LOGS, {"xcom": {"compression": "none"}}).environment()
    assert settings[f"{PREFIX}COMPRESSION"] == ""


@pytest.mark.parametrize("values", [{}, {**LOGS, "xcom": {"enabled": False}}])
def test_without_a_bucket_or_switched_off_all_stay_in_the_database(values: Object) -> None:
    rendered = render(values)
    assert "AIRFLOW__CORE__XCOM_BACKEND" not in rendered.environment()
    assert "CronJob" not in rendered.kinds()


def test_those_of_deleted_runs_are_deleted_by_a_pod_that_reaches_the_database() -> None:
    job = render(LOGS).find("CronJob", "airflow-xcom-sweep")["spec"]
    pod = job["jobTemplate"]["spec"]["template"]
    assert pod["metadata"]["labels"]["aerodrome/uses-database"] == "true"
    (container,) = pod["spec"]["containers"]
    assert container["args"] == ["python", "/opt/airflow/scripts/sweep_xcoms.py"]
    assert [one["name"] for one in container["env"]] == ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"thresholdBytes": -1}, "thresholdBytes"),
        ({"compression": "zip"}, "compression"),
        ({"prefix": "/x"}, "prefix"),
        ({"sweepSchedule": "sometimes"}, "sweepSchedule"),
        ({"treshold": 1}, "treshold"),
    ],
)
def test_bad_values_are_refused_by_name(values: Object, named: str) -> None:
    assert named in render({"xcom": values}).error


def test_a_task_knows_the_image_that_it_runs() -> None:
    rendered = render()
    image = rendered.worker()["spec"]["containers"][0]["image"]
    assert rendered.environment()["AERODROME_IMAGE"] == image

"""What the program makes for an executor with Redis, and for no other."""

import pytest

from tests.program.recording import SECRETS, Program, run_program

CONFIG = {"environment": "test", "executor": "CeleryExecutor,KubernetesExecutor"}


@pytest.fixture(scope="module")
def celery() -> Program:
    return run_program(CONFIG, SECRETS)


def release(program: Program) -> dict[str, object]:
    values: dict[str, object] = program.one("kubernetes:helm.sh/v3:Release").inputs["values"]
    return values


def test_the_secret_leads_to_the_queue_and_to_a_database_of_its_own(celery: Program) -> None:
    secret = celery.one("kubernetes:core/v1:Secret", "-airflow-celery").inputs["stringData"]
    assert secret == {
        "broker-url": "redis://:celery%2Fp%40ss%3Aword@airflow-redis:6379/0",
        "redis-password": SECRETS["celeryPassword"],
        "result-backend": "db+postgresql+psycopg2://airflow_celery:celery%2Fp%40ss%3Aword@"
        "airflow-database.airflow.svc.cluster.local:5432/airflow_celery",
        "results-database": "airflow_celery",
        "results-password": SECRETS["celeryPassword"],
    }


def test_the_queue_has_its_password_and_the_results_have_a_second_user(celery: Program) -> None:
    secret = celery.one("kubernetes:core/v1:Secret", "-airflow-celery-logins").inputs["stringData"]
    assert secret == {
        "password": SECRETS["celeryPassword"],
        "second-username": "airflow_celery_second",
        "second-password": "",
    }


def test_the_chart_gets_image_volume_and_the_order_of_executors(celery: Program) -> None:
    values = release(celery)
    assert values["executor"] == CONFIG["executor"]
    assert values["redis"]["storage"] == {"size": "1Gi", "storageClass": "gp3"}  # type: ignore[index]
    assert values["celery"] == {"createResultsDatabase": True}
    images = [r.name for r in celery.resources if r.type == "docker-build:index:Image"]
    assert [name for name in images if name.endswith("-redis")]


def test_people_are_told_where_flower_is(celery: Program, program: Program) -> None:
    assert (celery.outputs["flowerService"], celery.outputs["flowerPort"]) == (
        "airflow-flower",
        5555,
    )
    assert "flowerService" not in program.outputs


def test_another_executor_has_none_of_it_but_a_place_for_branches_images(program: Program) -> None:
    values = release(program)
    assert "redis" not in values
    assert "celery" not in values["secrets"]  # type: ignore[operator]
    images = [r.name for r in program.resources if r.type == "docker-build:index:Image"]
    assert not [name for name in images if name.endswith("-redis")]
    repositories = [r.name for r in program.resources if r.type == "aws:ecr/repository:Repository"]
    assert [name for name in repositories if name.endswith("-redis")]


def test_a_new_password_is_not_needed_by_an_environment_without_it() -> None:
    secrets = {key: value for key, value in SECRETS.items() if key != "celeryPassword"}
    assert run_program({"environment": "test"}, secrets).resources

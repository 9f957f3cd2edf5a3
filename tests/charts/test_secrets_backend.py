"""Where Airflow looks for connections and variables before its own database, and that tasks do not look there themselves."""

import json

from tests.charts.rendering import Object, render

BACKEND: Object = {
    "secretsBackend": {
        "service": "secretsmanager",
        "folder": "aerodrome/prod",
        "region": "eu-west-1",
        "cacheSeconds": 30,
    }
}


def test_there_is_none_by_default() -> None:
    assert not [name for name in render().environment() if "SECRETS" in name]


def test_components_look_in_the_folder_and_keep_the_answer_for_its_time() -> None:
    settings = render(BACKEND).environment()
    assert settings["AIRFLOW__SECRETS__BACKEND"] == "aerodrome_secrets.SecretsBackend"
    assert json.loads(settings["AIRFLOW__SECRETS__BACKEND_KWARGS"]) == {
        "service": "secretsmanager",
        "folder": "aerodrome/prod",
        "region": "eu-west-1",
        "cache_seconds": 30,
    }


def test_tasks_have_another_so_that_they_ask_the_api_server() -> None:
    name = render(BACKEND).environment()["AIRFLOW__WORKERS__SECRETS_BACKEND"]
    assert name == "airflow.secrets.environment_variables.EnvironmentVariablesBackend"


def test_values_of_ones_own_win() -> None:
    own: Object = {"config": {"secrets": {"backend": "my.Backend"}}}
    assert render(BACKEND, own).environment()["AIRFLOW__SECRETS__BACKEND"] == "my.Backend"

"""Where DAG files come from: the bundles that Airflow gets, and who gets a repository's login."""

import configparser
import json
from typing import Any

import pytest

from tests.charts.rendering import ROOT, Object, Rendered, render

LIST = "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"
SECRET = "AIRFLOW_CONN_AERODROME_GIT"
LOGS: Object = {"logs": {"bucket": "my-logs", "region": "eu-west-1"}}
GIT: Object = {
    "secrets": {"git": "my-git"},
    "dags": {
        "source": "git",
        "git": {
            "repository": "git@git.example:team/dags.git",
            "knownHosts": "git.example ssh-x AAAA",
        },
    },
}


def bundles(rendered: Rendered) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(rendered.environment()[LIST])
    return found


def test_with_the_image_its_own_list_holds() -> None:
    assert LIST not in render(LOGS).environment()


@pytest.mark.parametrize("values", [{**LOGS, "dags": {"source": "s3"}}, GIT])
def test_the_kits_bundle_and_the_names_are_those_of_the_image(values: Object) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "images" / "airflow" / "airflow.cfg")
    own = json.loads(parser["dag_processor"]["dag_bundle_config_list"])
    found = bundles(render(values))
    assert [one["name"] for one in found] == [one["name"] for one in own]
    assert found[1] == own[1]


def test_versions_lie_in_the_bucket_of_the_logs_or_in_another() -> None:
    (team, _) = bundles(render(LOGS, {"dags": {"source": "s3", "s3": {"prefix": "x/dags"}}}))
    assert team["classpath"] == "aerodrome_dags.S3DagBundle"
    assert team["kwargs"]["bucket"] == "my-logs"
    assert team["kwargs"]["prefix"] == "x/dags"
    assert team["kwargs"]["region"] == "eu-west-1"
    (team, _) = bundles(render({"dags": {"source": "s3", "s3": {"bucket": "other"}}}))
    assert team["kwargs"]["bucket"] == "other"


@pytest.mark.parametrize("values", [{**LOGS, "dags": {"source": "s3"}}, GIT])
def test_what_has_versions_is_recorded_at_once(values: Object) -> None:
    key = "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL"
    assert render(values).environment()[key] == "0"
    assert key not in render(LOGS).environment()


@pytest.mark.parametrize(
    ("source", "named"),
    [("s3", "needs dags.s3.bucket or logs.bucket"), ("git", "needs dags.git.repository")],
)
def test_what_a_source_needs_is_named(source: str, named: str) -> None:
    assert named in render({"dags": {"source": source}}).error


@pytest.mark.parametrize(
    ("values", "named"),
    [({"source": "svn"}, "source"), ({"s3": {"refreshSeconds": 0}}, "refreshSeconds")],
)
def test_bad_values_are_refused_by_name(values: Object, named: str) -> None:
    assert named in render({"dags": values}).error


def test_a_repositorys_login_is_the_dag_processors_and_the_api_servers() -> None:
    # A task's process gets it from the api-server, with the token of the task: its pod does not have it.
    having = {
        name
        for name, container in render(GIT).containers()
        if any(item["name"] == SECRET for item in container.get("env", []))
    }
    assert having == {"airflow-api-server/api-server", "airflow-dag-processor/dag-processor"}


def test_a_public_repository_needs_none() -> None:
    assert "my-git" not in json.dumps(render(GIT, {"secrets": {"git": ""}}).objects)


def test_pods_know_the_hosts_key() -> None:
    assert render(GIT).environment()["AERODROME_KNOWN_HOSTS"] == "git.example ssh-x AAAA"

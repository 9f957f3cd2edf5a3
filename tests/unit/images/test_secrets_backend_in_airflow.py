"""Real Airflow with its secrets in AWS: a task, which has no rights in AWS, reads a connection and a variable from there, another
one from Airflow's database, prints both, and its log has neither in clear. A DAG file reads one, too, when it is parsed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from infra import policies
from infra.contract.secrets_backends import SECRETS_MANAGER, folder
from tests.ports import free_port
from tests.unit.images import postgresql, real_airflow
from tests.unit.images.postgresql import MASTER, MASTER_PASSWORD
from tests.unit.images.real_airflow import MODULES, RealAirflow, answers, until
from tests.unit.images.secrets_services import Front, chart_settings, front_of
from tests.unit.sandbox.aws.conftest import REGION, Emulator, new_emulator

pytestmark = pytest.mark.slow

OWN: Final = folder("prod")
DAG: Final = "reads_secrets"

DAGS: Final = f'''
import os
from pathlib import Path

from airflow.sdk import DAG, Variable, task
from airflow.sdk.bases.hook import BaseHook

WHEN_PARSED = Variable.get("when_parsed", "nothing")

with DAG("{DAG}", schedule=None, tags=[WHEN_PARSED]):

    @task
    def read(run_id=None):
        connection = BaseHook.get_connection("warehouse")
        found = [
            connection.password,
            Variable.get("service_password"),
            Variable.get("database_password"),
        ]
        for each in found:
            print("aerodrome printed", each)
        (Path(os.environ["OUT"]) / run_id).write_text("\\n".join([connection.host, *found]))

    read()
'''


@dataclass
class Reading:
    """An Airflow that reads from AWS."""

    airflow: RealAirflow
    front: Front
    aws: Emulator
    out: Path

    def post(self, path: str, body: dict[str, Any]) -> None:
        with self.airflow.api() as api:
            headers = {"Authorization": f"Bearer {api.token()}"}
        url = f"http://127.0.0.1:{self.airflow.port}/api/v2/{path}"
        answer = httpx.post(url, json=body, headers=headers, timeout=60, trust_env=False)
        assert answer.status_code == 201, answer.text

    def run(self, name: str) -> list[str]:
        """The connection's host and what the task has read, after a run of this name."""
        with self.airflow.api() as api:
            api.trigger(DAG, name)

            def ended() -> str:
                state = api.run_state(DAG, name)
                return state if state in ("success", "failed") else ""

            assert until(ended, 240) == "success", self.airflow.log()
        return (self.out / name).read_text().splitlines()


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reading]:
    aws = new_emulator(tmp_path_factory.mktemp("aws"))
    home, out = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("out")
    dags = tmp_path_factory.mktemp("dags")
    (dags / "reads.py").write_text(DAGS)
    secrets = {
        "connections/warehouse": json.dumps(
            {"conn_type": "postgres", "host": "db.example", "password": "of-the-warehouse"}
        ),
        "variables/service_password": "of-the-service",
        "variables/when_parsed": "from-aws",
    }
    for name, text in secrets.items():
        aws.client("secretsmanager").create_secret(Name=f"{OWN}/{name}", SecretString=text)
    statements = policies.read_secrets(SECRETS_MANAGER, OWN, REGION, "000000000000", "aws")
    key = aws.user("airflow", json.loads(policies.document(*statements)))
    bundle = {
        "name": "dags",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(dags)},
    }
    with front_of(aws.url) as front, postgresql.running("15") as server:
        more = {
            **chart_settings(SECRETS_MANAGER, OWN),
            "OUT": str(out),
            # The first file that asks waits until the client of AWS is loaded, which takes long beside other tests.
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "200",
            "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "240",
            "PYTHONPATH": str(MODULES),
            "AWS_ENDPOINT_URL": front.url,
            "AWS_ACCESS_KEY_ID": key["id"],
            "AWS_SECRET_ACCESS_KEY": key["secret"],
        }
        url = server.url(MASTER, MASTER_PASSWORD, MASTER)
        with real_airflow.running(home, url, [bundle], more, ["api-server", "dag-processor"]) as it:
            _without_aws(it.environment)
            it.start("scheduler")
            found = Reading(it, front, aws, out)
            with httpx.Client(base_url=f"http://127.0.0.1:{it.port}", trust_env=False) as client:
                until(lambda: answers(client), 300)
            with it.api() as api:
                until(lambda: api.has_dag(DAG), 240)
            found.post("variables", {"key": "database_password", "value": "of-the-database"})
            yield found
    aws.kill()
    aws.kubernetes.server.shutdown()


def _without_aws(environment: dict[str, str]) -> None:
    """For what runs tasks: who asked there would be refused."""
    environment.update(
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}",
        AWS_ACCESS_KEY_ID="nobody",
        AWS_SECRET_ACCESS_KEY="nothing",
    )


@pytest.fixture(scope="module")
def first(reading: Reading) -> list[str]:
    return reading.run("first")


def test_a_task_reads_what_is_in_aws_and_what_is_in_the_database(first: list[str]) -> None:
    assert first == ["db.example", "of-the-warehouse", "of-the-service", "of-the-database"]


def test_a_dag_file_reads_it_when_it_is_parsed(reading: Reading, first: list[str]) -> None:
    with reading.airflow.api() as api:
        (dag,) = (one for one in api.dags() if one["dag_id"] == DAG)
    assert [tag["name"] for tag in dag["tags"]] == ["from-aws"]


def test_it_is_masked_in_the_tasks_log(reading: Reading, first: list[str]) -> None:
    logs = [path.read_text() for path in (reading.airflow.home / "logs").rglob("*.log")]
    printed = [text for text in logs if "aerodrome printed" in text]
    assert printed
    for text in printed:
        assert text.count("aerodrome printed ***") == 3
    everything = "\n".join([*logs, *(p.read_text() for p in reading.airflow.home.glob("*.out"))])
    for secret in first[1:]:
        assert secret not in everything


def test_a_changed_secret_is_read_by_the_next_run(reading: Reading, first: list[str]) -> None:
    reading.aws.client("secretsmanager").put_secret_value(
        SecretId=f"{OWN}/variables/service_password", SecretString="another-one"
    )
    assert reading.run("second")[2] == "another-one"


def test_an_outage_is_told_by_the_api_server(reading: Reading, first: list[str]) -> None:
    """What is in the database is still read; what is not, is missed."""
    reading.front.fails = "throttled"
    reading.post("variables", {"key": "service_password", "value": "kept-here-too"})
    connection = {"connection_id": "warehouse", "conn_type": "http", "host": "here.example"}
    reading.post("connections", {**connection, "password": "kept-here"})
    assert reading.run("third")[:3] == ["here.example", "kept-here", "kept-here-too"]
    told = (reading.airflow.home / "api-server.out").read_text()
    assert f"does not give out {OWN}/variables/service_password: ThrottlingException" in told

"""Secrets that DAGs are given, and print in every form: in real Airflow with Flask AppBuilder on a real PostgreSQL, with the
masker as the image sets it. They are looked for in logs, in every answer of the API and of the UI's own, and in process lists."""

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, quote_plus

import httpx
import pytest
import yaml

from cli.operations.dags import check
from tests.unit.images import airflow_database, real_airflow
from tests.unit.images.airflow_database import FERNET_KEY
from tests.unit.images.loading import IMAGES
from tests.unit.images.real_airflow import MODULES, RealAirflow, answers, until

pytestmark = pytest.mark.slow

ADMIN = {
    "ADMIN_USERNAME": "admin",
    "ADMIN_PASSWORD": "admins-pass",
    "ADMIN_EMAIL": "admin@example.org",
}
DAG: Final = "planted"
RUN: Final = "planted-run"


def _value(name: str) -> str:
    """Another in each form: in addresses, in JSON, in `repr`."""
    return f'{name} "7f3e\'s" & p/ss\\w%rd ü'


PEM: Final = "\n".join(
    (
        "-----BEGIN PRIVATE KEY-----",
        "cGxhbnRlZCBrZXkgMQ7f3e",
        "cGxhbnRlZCBrZXkgMg7f3e",
        "-----END PRIVATE KEY-----",
    )
)

VARIABLE: Final = _value("of a variable")
IN_JSON: Final = _value("in a variable's JSON")
PASSWORD: Final = _value("of a connection")
EXTRA: Final = _value("in a connection's extra")
NAMED: Final = _value("named by the DAG")
CONF: Final = _value("in the run's conf")
PARAM: Final = _value("in the DAG's params")
XCOM: Final = _value("in an XCom")

SECRETS: Final = {
    "variable": VARIABLE,
    "variable in JSON": IN_JSON,
    "connection": PASSWORD,
    "extra": EXTRA,
    "key": PEM,
    "named": NAMED,
    "conf": CONF,
    "param": PARAM,
    "xcom": XCOM,
}

VARIABLES: Final = {
    "planted_password": VARIABLE,
    "planted": json.dumps({"api_key": IN_JSON}),
    "planted_private_key": PEM,
}


def _coded(secret: str) -> str:
    """As it stands in the DAG's file, which everybody reads who may see the DAG."""
    return base64.b64encode(secret.encode()).decode()


DAGS: Final = f'''
import base64
import json
import logging
import sys
import time
from urllib.parse import quote, quote_plus

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Param, Variable, task
from airflow.sdk.bases.hook import BaseHook
from airflow.sdk.log import mask_secret

def decoded(text):
    return base64.b64decode(text).decode()

def given():
    """Read as DAGs do; what is told to Airflow is masked from then on."""
    connection = BaseHook.get_connection("planted")
    named = decoded({_coded(NAMED)!r})
    mask_secret(named)
    return [
        Variable.get("planted_password"),
        Variable.get("planted", deserialize_json=True)["api_key"],
        Variable.get("planted_private_key"),
        connection.password,
        connection.extra_dejson["auth_token"],
        named,
    ]

def forms(secret):
    yield from (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
    yield from (json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret))
    yield f"https://user:{{quote(secret, safe='')}}@host/path"

with DAG("{DAG}", schedule=None, params={{"param_password": Param(decoded({_coded(PARAM)!r}), type="string")}}):

    @task
    def prints():
        log = logging.getLogger("planted")
        for secret in given():
            for form in forms(secret):
                print("aerodrome printed", form, flush=True)
                print("aerodrome printed", form, file=sys.stderr, flush=True)
                log.info("aerodrome logged %s", form)
                log.info("aerodrome logged", extra={{"told": form}})
            print({{"some": ["where", secret]}})

    @task
    def raises():
        secrets = given()
        try:
            raise ValueError(f"inner {{secrets}}")
        except ValueError as error:
            raise RuntimeError("outer " + " ".join(secrets)) from error

    @task
    def returns():
        return {{"password": decoded({_coded(XCOM)!r})}}

    BashOperator(
        task_id="bash",
        bash_command="echo aerodrome \\"$API_KEY\\"; sleep 3",
        env={{"API_KEY": "{{{{ var.value.planted_password }}}}", "OTHER": "{{{{ conn.planted.password }}}}"}},
        append_env=True,
    )
    BashOperator(
        task_id="templates",
        bash_command="echo aerodrome {{{{ conn.planted.extra_dejson.auth_token | tojson }}}} {{{{ params.param_password | tojson }}}} > /dev/null",
    )
    prints()
    raises()
    returns()
'''


def forms(secret: str) -> Iterator[str]:
    """What a reader would know the secret by, its lines included."""
    yield from (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
    for text in (*_in_json(secret), repr(secret)[1:-1]):
        yield text
        # As a text within JSON: a line of a log, an answer.
        yield from _in_json(text)
    yield from (line for line in secret.splitlines() if not line.startswith("-----"))


def _in_json(text: str) -> list[str]:
    return [json.dumps(text, ensure_ascii=each)[1:-1] for each in (True, False)]


def found_in(text: str) -> set[str]:
    return {name for name, secret in SECRETS.items() if any(form in text for form in forms(secret))}


@dataclass
class Planted:
    """An Airflow in which the DAG has run."""

    airflow: RealAirflow
    client: httpx.Client
    command_lines: str
    """Of everything that ran meanwhile."""

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.client.get(path, params=query)

    def tasks(self) -> dict[str, str]:
        """Their states."""
        path = f"/api/v2/dags/{DAG}/dagRuns/{RUN}/taskInstances"
        return {one["task_id"]: one["state"] for one in self.get(path).json()["task_instances"]}

    def addresses(self) -> Iterator[tuple[str, str]]:
        """Each path that can be read, and addresses of what was planted under it."""
        known = {
            **{"dag_id": DAG, "dag_run_id": RUN, "run_id": RUN, "connection_id": "planted"},
            **{"map_index": "-1", "xcom_key": "return_value"},
        }
        tasks = list(self.tasks())
        for path in sorted(_paths()):
            for task in tasks if "{task_id}" in path else tasks[:1]:
                for key in VARIABLES if "{variable_key}" in path else [""]:
                    values = {**known, "task_id": task, "variable_key": key}
                    yield path, re.sub(r"\{(\w+)(:path)?\}", partial(_filled, values), path)


def _filled(values: dict[str, str], name: re.Match[str]) -> str:
    return values.get(name[1], "1")


@contextmanager
def _watched() -> Iterator[set[str]]:
    """Command lines of this machine's processes, looked at again and again."""
    seen: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    home = tmp_path_factory.mktemp("airflow")
    dags = tmp_path_factory.mktemp("dags")
    (dags / "planted.py").write_text(DAGS)
    with airflow_database.running(home) as databases:
        database = databases.new("masking")
        done = database.run("prepare_database", **ADMIN)
        assert done.returncode == 0, done.stderr[-3000:]
        bundle = {
            "name": "dags-folder",
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(dags)},
        }
        settings = {
            **{key: text for key, text in database.settings.items() if "AUTH_MANAGER" in key},
            "AIRFLOW__CORE__FERNET_KEY": FERNET_KEY,
            "AIRFLOW__FAB__UPDATE_FAB_PERMS": "False",
            "PYTHONPATH": f"{MODULES}:{IMAGES / 'airflow' / 'policy'}",
        }
        with (
            real_airflow.running(home, database.url, [bundle], settings) as airflow,
            httpx.Client(
                base_url=f"http://127.0.0.1:{airflow.port}",
                trust_env=False,
                timeout=60,
                # After an error of its own the server may end the connection under the next request.
                headers={"Connection": "close"},
            ) as client,
            _watched() as command_lines,
        ):
            until(lambda: answers(client))
            login = {"username": ADMIN["ADMIN_USERNAME"], "password": ADMIN["ADMIN_PASSWORD"]}
            token = client.post("/auth/token", json=login).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
            _fill(client)
            until(lambda: client.get(f"/api/v2/dags/{DAG}").status_code == 200)
            _post(client, f"dags/{DAG}/dagRuns", _run())
            state = until(lambda: _ended(client), 240)
            assert state == "failed", airflow.log()
            yield Planted(airflow, client, "\n".join(command_lines))


def _run() -> dict[str, Any]:
    return {
        "dag_run_id": RUN,
        "logical_date": "2026-01-01T00:00:00Z",
        "conf": {"conf_password": CONF},
    }


def _fill(client: httpx.Client) -> None:
    extra = json.dumps({"auth_token": EXTRA, "region": "in-clear"})
    connection = {"connection_id": "planted", "conn_type": "http", "login": "user"}
    _post(client, "connections", {**connection, "password": PASSWORD, "extra": extra})
    for key, value in VARIABLES.items():
        _post(client, "variables", {"key": key, "value": value})


def _post(client: httpx.Client, path: str, body: dict[str, Any]) -> None:
    answer = client.post(f"/api/v2/{path}", json=body)
    assert answer.status_code in (200, 201), answer.text


def _ended(client: httpx.Client) -> str:
    state = str(client.get(f"/api/v2/dags/{DAG}/dagRuns/{RUN}").json()["state"])
    return state if state in ("success", "failed") else ""


def _paths() -> set[str]:
    """What can be read, of the public API and of the UI's own."""
    site = next((check.environment(print) / "lib").glob("python3*/site-packages"))
    folder = site / "airflow/api_fastapi/core_api/openapi"
    found: set[str] = set()
    for name in ("v2-rest-api-generated.yaml", "_private_ui.yaml"):
        document = yaml.load((folder / name).read_text(), Loader=yaml.CSafeLoader)
        found |= {path for path, methods in document["paths"].items() if "get" in methods}
    # A log-out takes the token from all that comes after it.
    return {path for path in found if "logout" not in path}


def test_the_tasks_ran_to_their_ends(planted: Planted) -> None:
    ended = {task: "failed" if task == "raises" else "success" for task in planted.tasks()}
    assert planted.tasks() == ended
    assert len(ended) == 5


NAMED_BY_NOBODY: Final = {"xcom"}
"""Airflow logs what a task returns, and nobody told it that this is a secret. Its key says so in a structure, not in a text."""


def test_logs_have_what_was_printed_and_no_secret(planted: Planted) -> None:
    logs = [path.read_text() for path in (planted.airflow.home / "logs").rglob("*.log")]
    (prints,) = (text for text in logs if "aerodrome printed" in text)
    printed = [
        json.loads(line)["event"] for line in prints.splitlines() if "aerodrome printed" in line
    ]
    assert len(printed) > 90
    # A key in PEM is cut into its lines, of which the first is the same in all keys.
    assert [line for line in printed if "***" not in line and "-----BEGIN" not in line] == []
    assert found_in("\n".join(logs)) == NAMED_BY_NOBODY


def test_components_print_none(planted: Planted) -> None:
    text = "\n".join(path.read_text() for path in planted.airflow.home.glob("*.out"))
    assert "aerodrome printed ***" in text
    assert found_in(text) == NAMED_BY_NOBODY


def test_lines_of_the_local_executors_tasks_say_whose_they_are(planted: Planted) -> None:
    """On the scheduler's output, where the shipper of logs reads them."""
    lines = (planted.airflow.home / "scheduler.out").read_text().splitlines()
    printed = [json.loads(line) for line in lines if "aerodrome printed" in line]
    assert len(printed) > 90
    names = ("dag_id", "task_id", "run_id", "try_number", "map_index")
    whose = {tuple(line[name] for name in names) for line in printed}
    assert whose == {(DAG, "prints", RUN, 1, -1)}
    assert not [line for line in lines if line.startswith("{") and not json.loads(line)["event"]]


XCOMS: Final = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries"
IN_CLEAR: Final = {
    # The last line that a BashOperator prints is its XCom.
    "variable": {f"{XCOMS}/{{xcom_key}}"},
    "xcom": {f"{XCOMS}/{{xcom_key}}", XCOMS.replace("xcomEntries", "logs/{try_number}")},
    "conf": {f"/api/v2/dags/{{dag_id}}/dagRuns{one}" for one in ("", "/{dag_run_id}")},
    "param": {f"/api/v2/dags/{{dag_id}}/{one}" for one in ("details", "tasks", "tasks/{task_id}")},
}
"""What Airflow itself gives to whoever may see the DAG: docs/limits.md."""


def test_no_answer_has_any_but_for_those_of_airflows_own(planted: Planted) -> None:
    leaks: dict[str, set[str]] = {}
    answered = 0
    for path, address in planted.addresses():
        told = planted.get(address, dag_id=DAG, run_id=RUN, full_content="true")
        answered += told.status_code == 200
        for name in found_in(told.text):
            leaks.setdefault(name, set()).add(path)
    assert leaks == IN_CLEAR
    assert answered > 100


def test_process_lists_have_none(planted: Planted) -> None:
    """Of an operator's environment: what is in a `bash_command` itself is in a process list."""
    assert "sleep 3" in planted.command_lines
    assert found_in(planted.command_lines) == set()

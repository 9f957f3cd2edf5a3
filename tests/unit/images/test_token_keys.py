"""Another key of Airflow's tokens while tasks run: real processes of the image's Airflow, with the keys of each stage.

`cli.operations.rotation.tokens` says which stages there are; that it goes through them is in its own tests.
"""

import json
import os
import re
import signal
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from cli.operations.rotation import token_installation, tokens
from cli.operations.rotation.tokens import Keys
from cli.stack.rotation import Rotation
from infra.contract import token_keys
from infra.contract.naming import Names
from infra.contract.secret_contents import airflow_secrets
from infra.contract.secret_settings import Secrets
from infra.contract.settings import Settings
from tests.ports import free_port
from tests.unit.images import airflow_database, real_airflow
from tests.unit.images.airflow_database import Database
from tests.unit.images.loading import IMAGES
from tests.unit.images.real_airflow import PASSWORD, USER, RealAirflow, until

OLD = "old-key-of-the-tests-0123456789abcdef0123456789abcdef"
NEW = "new-key-of-the-tests-0123456789abcdef0123456789abcdef"
STAGES = tokens.stages_of(Rotation.begin(OLD, NEW))
SECONDS = 45
"""For which a task's token is valid. Airflow exchanges it when 30 are left."""

ACCOUNT = {
    "ADMIN_USERNAME": USER,
    "ADMIN_PASSWORD": PASSWORD,
    "ADMIN_EMAIL": "admin@example.org",
}

PROBE = """
import json, sys
from airflow.api_fastapi.execution_api.app import _jwt_generator, _jwt_validator
from airflow.api_fastapi.auth.managers.base_auth_manager import BaseAuthManager
pairs = {
    "task": (_jwt_generator(), _jwt_validator()),
    "login": (BaseAuthManager._get_token_signer(), BaseAuthManager._get_token_validator()),
}
accepted = {}
for name, token in json.loads(sys.argv[1]).items():
    try:
        pairs[name.partition(" ")[0]][1].validated_claims(token)
        accepted[name] = True
    except Exception as error:
        accepted[name] = type(error).__name__
made = {name: signer.generate({"sub": "1"}) for name, (signer, _) in pairs.items()}
print(json.dumps([made, accepted]))
"""

DAG = """
import os, time
from pathlib import Path
from airflow.sdk import Variable, dag, task

@dag(schedule=None)
def long():
    @task
    def ask():
        out, number = Path(os.environ["OUT"]), 0
        while not (out / "end").exists():
            assert Variable.get("region") == "north"
            number += 1
            (out / "asked").write_text(str(number))
            time.sleep(0.5)

    ask()

long()
"""


def variables(keys: Keys, *, named: bool = True) -> dict[str, str]:
    """What the pods of a stage have in their environment, from the Secret; without `named` those of an installation of before."""
    secrets = Secrets(
        fernet_key="",
        jwt_secret=keys.signing,
        api_secret_key="",
        database_password="",
        admin_password="",
        accepted_jwt_secrets=token_keys.joined(keys.accepted),
    )
    settings = Settings(environment="test")
    found = airflow_secrets(settings, secrets, Names("test"), "", "")["jwt"]
    return {
        "AIRFLOW__API_AUTH__JWT_SECRET": found[token_keys.KEY_ENTRY],
        "AIRFLOW__API_AUTH__JWT_KID": found[token_keys.ID_ENTRY] if named else "",
        "AERODROME_TOKEN_KEYS": found.get(token_keys.SET_ENTRY, ""),
    }


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with airflow_database.running(tmp_path_factory.mktemp("home")) as databases:
        found = databases.new("tokens")
        done = found.run("prepare_database", **ACCOUNT)
        assert done.returncode == 0, done.stderr
        yield found


class Pods:
    """Processes that sign and check, each through the image's entrypoint."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def ask(
        self, keys: Keys, tokens_of: Mapping[str, str], *, named: bool = True
    ) -> tuple[dict[str, str], dict[str, bool | str]]:
        """What such a pod signs, and which tokens it accepts."""
        interpreter = airflow_database.python()
        path = f"{Path(interpreter).parent}:{os.environ['PATH']}"
        environment = {**self.database.settings, "PATH": path, **variables(keys, named=named)}
        if not named:
            del environment["AIRFLOW__API_AUTH__JWT_KID"]
        command = [IMAGES / "airflow" / "entrypoint", "python", "-c", PROBE, json.dumps(tokens_of)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        made, accepted = json.loads(done.stdout.splitlines()[-1])
        return made, accepted


def test_the_lifetimes_are_those_of_airflow(database: Database) -> None:
    program = (
        "import json, sys; from airflow.configuration import conf; "
        "print(json.dumps([conf.getfloat(*one) for one in json.loads(sys.argv[1])]))"
    )
    found = token_installation.LIFETIMES
    options = [name.removeprefix("AIRFLOW__").lower().split("__") for name in found]
    done = subprocess.run(
        [airflow_database.python(), "-c", program, json.dumps(options)],
        env=database.settings,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == list(found.values())


def test_what_a_pod_signs_each_pod_beside_it_accepts(database: Database) -> None:
    pods = Pods(database)
    signed: dict[str, str] = {}

    def told(made: Mapping[str, str], who: str) -> None:
        signed.update({f"{kind} {who}": token for kind, token in made.items()})

    told(pods.ask(STAGES[0], {}, named=False)[0], "before")
    told(pods.ask(STAGES[3], {})[0], "new")
    made, accepted = pods.ask(STAGES[0], signed)
    told(made, "old")
    refused = "InvalidSignatureError"
    assert accepted == {
        "task before": True,
        "login before": True,
        "task new": refused,
        "login new": refused,
    }
    for stage in STAGES[1:3]:
        made, accepted = pods.ask(stage, signed)
        assert accepted == dict.fromkeys(signed, True)
        told(made, "between")
    _, accepted = pods.ask(STAGES[3], signed)
    assert accepted == {
        name: True if "old" not in name and "before" not in name else refused for name in signed
    }


class Service(socketserver.ThreadingTCPServer):
    """One address for api-servers that follow one another, as a Service of Kubernetes is."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", free_port()), Connection)
        self.target = 0

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def replace(self, airflow: RealAirflow, keys: Keys) -> None:
        """The new one answers before the old one goes."""
        former = airflow.processes.pop(0)
        found = variables(keys)
        file = airflow.home / "keys.json"
        file.write_text(found.pop("AERODROME_TOKEN_KEYS"))
        found["AIRFLOW__API_AUTH__TRUSTED_JWKS_URL"] = str(file) if keys.accepted else ""
        port = free_port()
        airflow.environment.update(found | {"AIRFLOW__API__PORT": str(port)})
        airflow.start("api-server")
        airflow.processes.insert(0, airflow.processes.pop())
        # As its startup probe.
        url = f"http://127.0.0.1:{port}/execution/health"
        with httpx.Client(trust_env=False, timeout=60.0) as client:
            until(lambda: answers(client, url))
        self.target = port
        os.killpg(former.pid, signal.SIGTERM)
        former.wait(60)


def answers(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(url).is_success
    except httpx.HTTPError:
        return False


class Connection(socketserver.BaseRequestHandler):
    server: Service

    def handle(self) -> None:
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", self.server.target)) as there,
        ):
            back = threading.Thread(target=pump, args=(there, self.request), daemon=True)
            back.start()
            pump(self.request, there)
            back.join()


def pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


@pytest.fixture
def airflow(database: Database, service: Service) -> Iterator[RealAirflow]:
    home = database.home / "airflow"
    (home / "dags").mkdir(parents=True)
    (home / "dags" / "long.py").write_text(DAG)
    bundle = {
        "name": "dags-folder",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(home / "dags")},
    }
    more = {
        name: value
        for name, value in database.settings.items()
        if name.endswith(("AUTH_MANAGER", "FERNET_KEY"))
    }
    more |= {
        "OUT": str(home),
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
        "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "30",
        "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "5",
        "AIRFLOW__EXECUTION_API__JWT_EXPIRATION_TIME": str(SECONDS),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{service.port}/execution/",
        **variables(STAGES[0]),
    }
    with real_airflow.running(home, database.url, [bundle], more) as found:
        service.target, found.port = found.port, service.port
        yield found


def logged_in(url: str) -> httpx.Client:
    """A browser with a session of the UI."""
    browser = httpx.Client(base_url=url, trust_env=False, timeout=60.0, follow_redirects=True)
    page = browser.get("/auth/login/").text
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert found, page[:2000]
    form = {"username": USER, "password": PASSWORD, "csrf_token": found[1]}
    browser.post("/auth/login/", data=form)
    assert browser.get("/api/v2/dags").status_code == 200
    return browser


@pytest.mark.slow
def test_a_task_that_runs_through_it_ends_green_and_a_session_goes_on(
    airflow: RealAirflow, service: Service
) -> None:
    asked = airflow.home / "asked"

    def number() -> int:
        return int(asked.read_text() or 0) if asked.exists() else 0

    with airflow.api() as api:
        until(lambda: api.has_dag("long"))
        api._send("POST", "/api/v2/variables", {"key": "region", "value": "north"})
        api.trigger("long", "one")
        until(lambda: number() > 2)
    browser = logged_in(f"http://127.0.0.1:{airflow.port}")
    for stage in STAGES[1:3]:
        before = number()
        service.replace(airflow, stage)
        assert browser.get("/api/v2/dags").status_code == 200
        until(lambda before=before: number() > before)
    said: list[str] = []
    with airflow.api() as api:
        left = token_installation.drained(api, SECONDS + 15, 0.0, said.append)
    assert left == 1
    assert said[0].startswith("tasks with a token of the old key: 1")
    service.replace(airflow, STAGES[3])
    before = number()
    until(lambda: number() > before + 4)
    with airflow.api() as api:
        token_installation.prove(api, OLD, NEW, "")
        (airflow.home / "end").touch()
        until(lambda: api.run_state("long", "one") in ("success", "failed"))
        assert api.run_state("long", "one") == "success"
        assert [task["try_number"] for task in api.tasks("long", "one")] == [1]
    # The browser's token was of the old key. Its session is not: the login page gives a new one, unasked.
    assert browser.get("/api/v2/dags").status_code in (401, 403)
    browser.get("/auth/login/")
    assert browser.get("/api/v2/dags").status_code == 200

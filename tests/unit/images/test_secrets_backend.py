"""Airflow's secrets backend, as its image has it, with real botocore against an emulator that enforces IAM: an environment's role
reads its own folder, nobody else's, and an outage of the service is told and outlived."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError

from infra import policies
from infra.contract.secrets_backends import PARAMETER_STORE, SECRETS_MANAGER, folder
from tests.ports import free_port
from tests.unit.images.airflow_database import python
from tests.unit.images.real_airflow import MODULES
from tests.unit.images.secrets_services import Front, chart_settings, front_of
from tests.unit.sandbox.aws.conftest import REGION, Emulator, new_emulator

ACCOUNT = "000000000000"
CACHED = 2.0

OWN: Final = folder("prod")
OTHERS: Final = {
    "that begins alike": folder("prod-2"),
    "of a branch": folder("prod-x", "prod"),
    "of a branch of the same name": folder("prod", "prod"),
    "of nobody": "aerodrome",
}

ASKED: Final = """
import json, os, sys
# Airflow logs to its standard output.
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
from airflow.sdk.definitions.connection import Connection
from aerodrome_secrets import SecretsBackend
backend = SecretsBackend(**json.loads(sys.argv[1]))
backend._set_connection_class(Connection)
print("ready", file=out, flush=True)
for line in sys.stdin:
    kind, name = json.loads(line)
    found = getattr(backend, "get_" + kind)(name)
    if kind == "connection" and found:
        found = [found.conn_type, found.host, found.login, found.password, found.port, found.extra_dejson]
    print(json.dumps(found), file=out, flush=True)
"""


@dataclass
class Process:
    """One of Airflow's, with the backend."""

    process: "subprocess.Popen[str]"
    errors: Path

    def get(self, kind: str, name: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([kind, name]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline() or f'"{self.log()[-2000:]}"')

    def log(self) -> str:
        return self.errors.read_text()


@contextmanager
def process(
    home: Path, url: str, key: Mapping[str, str], service: str, place: str = OWN, **more: str
) -> Iterator[Process]:
    arguments = {"service": service, "folder": place, "region": REGION, "cache_seconds": CACHED}
    settings = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "PYTHONPATH": str(MODULES),
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": key["id"],
        "AWS_SECRET_ACCESS_KEY": key["secret"],
        **more,
    }
    errors = home / f"{time.monotonic_ns()}.log"
    with errors.open("w") as log:
        running = subprocess.Popen(
            [python(), "-c", ASKED, json.dumps(arguments)],
            env=settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n", errors.read_text()
        try:
            yield Process(running, errors)
        finally:
            running.kill()
            running.wait()


class Store:
    """A service, as who keeps secrets in it uses it."""

    def __init__(self, aws: Emulator, service: str) -> None:
        self.service = service
        self.aws = aws
        name = "secretsmanager" if service == SECRETS_MANAGER else "ssm"
        self.client = aws.client(name)
        statements = policies.read_secrets(service, OWN, REGION, ACCOUNT, "aws")
        self.key = aws.user(f"airflow-{service}", json.loads(policies.document(*statements)))
        self.pods = aws.client(name, **self.key)

    def put(self, path: str, text: str) -> None:
        if self.service == PARAMETER_STORE:
            self.client.put_parameter(
                Name=f"/{path}", Value=text, Type="SecureString", Overwrite=True
            )
            return
        try:
            self.client.create_secret(Name=path, SecretString=text)
        except self.client.exceptions.ResourceExistsException:
            self.client.put_secret_value(SecretId=path, SecretString=text)

    def read(self, path: str) -> Any:
        """With the rights of the environment's pods."""
        if self.service == PARAMETER_STORE:
            return self.pods.get_parameter(Name=f"/{path}", WithDecryption=True)
        return self.pods.get_secret_value(SecretId=path)

    def forbidden(self) -> list[Callable[[], Any]]:
        """Calls that no pod needs, on the environment's own secret."""
        path, pods = f"{OWN}/variables/known", self.pods
        if self.service == PARAMETER_STORE:
            return [
                lambda: pods.describe_parameters(),
                lambda: pods.get_parameters_by_path(Path=f"/{OWN}", Recursive=True),
                lambda: pods.put_parameter(
                    Name=f"/{path}", Value="x", Type="String", Overwrite=True
                ),
                lambda: pods.delete_parameter(Name=f"/{path}"),
                lambda: pods.get_parameter_history(Name=f"/{path}"),
            ]
        return [
            lambda: pods.list_secrets(),
            lambda: pods.put_secret_value(SecretId=path, SecretString="x"),
            lambda: pods.create_secret(Name=f"{OWN}/variables/new", SecretString="x"),
            lambda: pods.delete_secret(SecretId=path),
            lambda: pods.describe_secret(SecretId=path),
        ]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = new_emulator(tmp_path_factory.mktemp("aws"))
    yield running
    running.kill()
    running.kubernetes.server.shutdown()


@pytest.fixture(scope="module")
def front(aws: Emulator) -> Iterator[Front]:
    with front_of(aws.url) as it:
        yield it


@pytest.fixture(scope="module", params=[SECRETS_MANAGER, PARAMETER_STORE])
def store(aws: Emulator, request: pytest.FixtureRequest) -> Store:
    it = Store(aws, request.param)
    it.put(f"{OWN}/variables/known", "a-value")
    for place in OTHERS.values():
        it.put(f"{place}/variables/known", "of-others")
    return it


@pytest.fixture(scope="module")
def airflow(
    store: Store, front: Front, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Process]:
    home = tmp_path_factory.mktemp("home")
    more = {"AIRFLOW_CONN_AWS_DEFAULT": "aws://", "AIRFLOW_VAR_SET": "here"}
    with process(home, front.url, store.key, store.service, **more) as it:
        yield it


def test_airflow_reads_what_is_in_its_folder(store: Store, airflow: Process) -> None:
    store.put(
        f"{OWN}/connections/as_json",
        json.dumps(
            {
                "conn_type": "postgres",
                "host": "db.example",
                "login": "me",
                "password": "p/w",
                "port": 5432,
                "extra": {"sslmode": "require"},
            }
        ),
    )
    store.put(f"{OWN}/connections/as_address", "http://me:p%2Fw@host.example:8080")
    store.put(f"{OWN}/config/smtp", "of-an-option")
    assert airflow.get("variable", "known") == "a-value"
    assert airflow.get("config", "smtp") == "of-an-option"
    found = airflow.get("connection", "as_json")
    assert found == ["postgres", "db.example", "me", "p/w", 5432, {"sslmode": "require"}]
    assert airflow.get("connection", "as_address")[:5] == [
        "http",
        "host.example",
        "me",
        "p/w",
        8080,
    ]


def test_a_database_secret_of_the_console_is_a_connection(store: Store, airflow: Process) -> None:
    if store.service == PARAMETER_STORE:
        pytest.skip("only Secrets Manager has such forms")
    store.put(
        f"{OWN}/connections/form",
        '{"engine": "postgres", "host": "h", "username": "u", "password": "p", "port": 5432}',
    )
    assert airflow.get("connection", "form")[:5] == ["postgres", "h", "u", "p", 5432]


@pytest.mark.parametrize("whose", OTHERS)
def test_no_other_folder_can_be_read(store: Store, whose: str) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        store.read(f"{OTHERS[whose]}/variables/known")


def test_secrets_are_neither_listed_nor_written(store: Store) -> None:
    assert store.read(f"{OWN}/variables/known")
    for call in store.forbidden():
        with pytest.raises(ClientError, match="AccessDenied"):
            call()


def test_a_refusal_is_told_and_the_database_asked(
    store: Store, front: Front, tmp_path: Path
) -> None:
    place = OTHERS["that begins alike"]
    with process(tmp_path, front.url, store.key, store.service, place) as it:
        assert it.get("variable", "known") is None
        assert f"does not give out {place}/variables/known: AccessDenied" in it.log()
        assert "Airflow's own database is asked instead" in it.log()


def test_an_answer_counts_for_its_time_and_no_longer(
    store: Store, front: Front, airflow: Process
) -> None:
    store.put(f"{OWN}/variables/changing", "old")
    before = len(front.asked)
    begun = time.monotonic()
    assert [airflow.get("variable", "changing") for _ in range(20)] == ["old"] * 20
    assert time.monotonic() - begun < CACHED, "the machine is too slow for this test"
    assert len(front.asked) == before + 1
    store.put(f"{OWN}/variables/changing", "new")
    time.sleep(CACHED)
    assert airflow.get("variable", "changing") == "new"


def test_that_there_is_no_such_secret_counts_as_long(
    store: Store, front: Front, airflow: Process
) -> None:
    before = len(front.asked)
    assert [airflow.get("variable", "to_come") for _ in range(5)] == [None] * 5
    assert len(front.asked) == before + 1
    assert "to_come" not in airflow.log()
    store.put(f"{OWN}/variables/to_come", "there")
    time.sleep(CACHED)
    assert airflow.get("variable", "to_come") == "there"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("connection", "aws_default"),
        ("variable", "set"),
        ("variable", "known:1"),
        ("variable", "a key with blanks"),
        ("variable", "ü"),
    ],
)
def test_what_the_environment_says_or_no_secret_can_be_called_is_not_asked_for(
    front: Front, airflow: Process, kind: str, name: str
) -> None:
    before = len(front.asked)
    assert airflow.get(kind, name) is None
    assert len(front.asked) == before


@pytest.mark.parametrize("text", ["{not json with s3cret", '{"conn_type": 7, "port": "s3cret"}'])
def test_a_connection_that_is_none_is_named_and_not_shown(
    store: Store, airflow: Process, text: str
) -> None:
    name = f"damaged{len(text)}"
    store.put(f"{OWN}/connections/{name}", text)
    assert airflow.get("connection", name) is None
    assert f"{OWN}/connections/{name} in" in airflow.log()
    assert "s3cret" not in airflow.log()


class TestOutage:
    """Airflow's database is asked, within the five seconds for which a task waits."""

    def test_throttling_is_told_and_tried_again(
        self, store: Store, front: Front, airflow: Process
    ) -> None:
        store.put(f"{OWN}/variables/throttled", "a-value")
        front.fails = "throttled"
        begun, before = time.monotonic(), len(front.asked)
        assert airflow.get("variable", "throttled") is None
        front.fails = ""
        assert time.monotonic() - begun < 5
        assert len(front.asked) == before + 2
        assert "throttled: ThrottlingException. Airflow's own database" in airflow.log()
        assert airflow.get("variable", "throttled") == "a-value"

    def test_a_service_that_hangs_is_waited_for_once(
        self, store: Store, front: Front, tmp_path: Path
    ) -> None:
        with process(tmp_path, front.url, store.key, store.service) as it:
            assert it.get("variable", "known") == "a-value"
            front.fails = "hangs"
            begun = time.monotonic()
            assert it.get("variable", "other") is None
            assert time.monotonic() - begun < 5
            begun = time.monotonic()
            assert [it.get("variable", f"other{n}") for n in range(5)] == [None] * 5
            assert time.monotonic() - begun < 1
            front.fails = ""
            assert it.log().count("cannot be reached (ReadTimeoutError)") == 1

    def test_so_is_one_that_is_not_there(self, store: Store, tmp_path: Path) -> None:
        url = f"http://127.0.0.1:{free_port()}"
        with process(tmp_path, url, store.key, store.service) as it:
            begun = time.monotonic()
            assert [it.get("variable", f"n{n}") for n in range(5)] == [None] * 5
            assert time.monotonic() - begun < 5
            assert it.log().count("cannot be reached (EndpointConnectionError)") == 1


IN_AIRFLOW: Final = """
import json, os, sys
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
from airflow.configuration import ensure_secrets_loaded
from airflow.models import Connection, Variable
from airflow.sdk.configuration import ensure_secrets_loaded as loaded_for_tasks
from airflow.sdk.execution_time.secrets import DEFAULT_SECRETS_SEARCH_PATH_WORKERS
connection = Connection.get_connection_from_secrets("of_airflow")
print(json.dumps({
    "server": [type(one).__name__ for one in ensure_secrets_loaded()],
    "task": [type(one).__name__ for one in loaded_for_tasks(DEFAULT_SECRETS_SEARCH_PATH_WORKERS)],
    "connection": [connection.conn_type, connection.host, connection.password],
    "variable": Variable.get_variable_from_secrets("known"),
}), file=out, flush=True)
"""


def test_airflow_with_the_charts_settings_asks_there_first_and_its_tasks_do_not(
    store: Store, front: Front, tmp_path: Path
) -> None:
    """By what the api-server answers tasks with, and by what a task looks into itself."""
    store.put(f"{OWN}/connections/of_airflow", "postgres://me:p@db.example")
    settings = {
        **chart_settings(store.service, OWN),
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "AIRFLOW_HOME": str(tmp_path),
        "PYTHONPATH": str(MODULES),
        "AWS_ENDPOINT_URL": front.url,
        "AWS_ACCESS_KEY_ID": store.key["id"],
        "AWS_SECRET_ACCESS_KEY": store.key["secret"],
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
    }
    done = subprocess.run(
        [python(), "-c", IN_AIRFLOW], env=settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["server"] == ["SecretsBackend", "EnvironmentVariablesBackend", "MetastoreBackend"]
    assert "SecretsBackend" not in found["task"]
    assert found["task"][-1] == "ExecutionAPISecretsBackend"
    assert found["connection"] == ["postgres", "db.example", "p"]
    assert found["variable"] == "a-value"

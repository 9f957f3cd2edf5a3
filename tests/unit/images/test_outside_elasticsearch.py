"""An Elasticsearch that is not the kit's: what the shipper does to it, what `up` asks it, and what `logs --search` finds.

It is a real one, with users of its own and without the kit's `keeper`.
"""

import base64
import importlib.util
import json
import signal
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.values import Secret
from cli.operations import log_search
from cli.operations.live import Live
from cli.operations.preflight import outside_logs
from cli.operations.preflight.outside_logs import NobodyAnswers, ServerUser
from infra.contract import logs
from tests.charts.rendering import merge
from tests.charts.test_monitoring import LOGS, SHIPPER, rendered
from tests.unit.cli.fakes import FakeBackend, FakeSession
from tests.unit.images.log_pipeline import SCRIPTS, Container, Pipeline, event

pytestmark = pytest.mark.slow

ENVIRONMENT = Environment("test")
WRITER, READER, PASSWORD = "ship", "look", "an/outside$ password"
RIGHTS: dict[str, Any] = {
    WRITER: {
        "cluster": ["manage_index_templates"],
        "indices": [{"names": ["airflow.*"], "privileges": ["create_doc", "create_index"]}],
    },
    READER: {"indices": [{"names": ["airflow.*"], "privileges": ["read"]}]},
}


def users() -> ModuleType:
    made = importlib.util.spec_from_file_location("server_users", SCRIPTS / "server_users.py")
    assert made is not None
    assert made.loader is not None
    module = importlib.util.module_from_spec(made)
    made.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """The server, with the two users that its owner has made."""
    pipeline = Pipeline(tmp_path_factory.mktemp("outside"))
    pipeline.configure()
    pipeline.prepare()
    for file, line in (
        ("roles.yml", "{user}: {rights}"),
        ("users_roles", "{user}:{user}"),
        ("users", "{user}:{hashed}"),
    ):
        with (pipeline.path("config") / file).open("a") as out:
            for user, rights in RIGHTS.items():
                told = {"rights": json.dumps(rights), "hashed": users().hashed(PASSWORD)}
                out.write(line.format(user=user, **told) + "\n")
    (pipeline.path("passwords") / logs.WRITER).write_text(PASSWORD)
    pipeline.start("elasticsearch")
    try:
        pipeline.wait(lambda: answers(pipeline))
        yield pipeline
    finally:
        for program in list(pipeline.processes):
            pipeline.stop(program, signal.SIGKILL)


def answers(pipeline: Pipeline) -> bool:
    try:
        pipeline.ask("airflow.*/_count", user=READER, password=PASSWORD)
    except OSError:
        return False
    return True


def authority(pipeline: Pipeline) -> str:
    return (pipeline.path("data") / "authority" / "ca.crt").read_text()


def url(pipeline: Pipeline) -> str:
    return f"https://localhost:{pipeline.port}"


def logins(password: str = PASSWORD) -> list[ServerUser]:
    values: dict[str, Any] = {
        "aerodrome:elasticsearchWriter": WRITER,
        "aerodrome:elasticsearchReader": READER,
        "aerodrome:logsWriterPassword": Secret(password),
        "aerodrome:logsReaderPassword": Secret(password),
    }
    backend = FakeBackend(values=values)
    requested = outside_logs.RequestedSettings(backend.plain(), {})
    return outside_logs._logins(ENVIRONMENT, requested, backend.config())


@pytest.fixture(scope="module")
def shipped(outside: Pipeline) -> Pipeline:
    """With the lines of a task that the shipper has brought there."""
    server = {"url": url(outside), "writer": WRITER, "authority": authority(outside)}
    given = merge(LOGS, {"elasticsearch": {"outside": server}})
    told = rendered(given).find("ConfigMap", SHIPPER)["data"]
    for name, text in told.items():
        outside.path(name).write_text(outside.here(text))
    outside.start("shipper")
    pod = Container(
        outside.path("logs"), "airflow", "pod-1", "00000001-0000-4000-8000-000000000000"
    )
    task = {"dag_id": "etl", "run_id": "r", "task_id": "t", "try_number": 1, "map_index": -1}
    pod.write(*(event(f"wombat no. {n}", **task) for n in range(50)))

    def count() -> int:
        return int(outside.ask("airflow.*/_count", user=READER, password=PASSWORD)["count"])

    outside.wait(lambda: count() == 50)
    return outside


def test_the_shipper_puts_the_template_there_and_then_the_lines(shipped: Pipeline) -> None:
    # Without the template `log_id` would be a text, of which no term is the whole.
    found = shipped.ask(
        "airflow.*/_search",
        {"size": 100, "query": {"term": {"log_id": "etl-t-r--1-1"}}, "sort": ["offset"]},
        user=READER,
        password=PASSWORD,
    )
    lines = [one["_source"]["message"] for one in found["hits"]["hits"]]
    assert lines == [f"wombat no. {n}" for n in range(50)]


def test_what_up_asks_of_it_is_answered(outside: Pipeline) -> None:
    for login in logins():
        outside_logs.judge(ENVIRONMENT, url(outside), authority(outside), login)


def refusal(server: str, certificate: str, login: ServerUser) -> UserError:
    with pytest.raises(UserError) as refused:
        outside_logs.judge(ENVIRONMENT, server, certificate, login)
    error = refused.value
    assert PASSWORD not in f"{error.summary}{error.detail}"
    assert "Nothing was changed" in error.detail
    assert error.command.endswith("--env test")
    return error


def test_a_wrong_password_lacking_rights_and_a_wrong_authority_are_named(outside: Pipeline) -> None:
    writer, reader = logins()
    (wrong, _) = logins("wrong")
    told = refusal(url(outside), authority(outside), wrong)
    assert told.summary.endswith(f"does not let {WRITER} in")
    assert "config set logsWriterPassword --secret" in told.command
    lacking = replace(writer, user=READER)
    assert "manage_index_templates" in refusal(url(outside), authority(outside), lacking).detail
    told = refusal(url(outside), "", reader)
    assert told.summary.endswith("does not prove who it is")
    assert "elasticsearchAuthority" in told.command


class Answer(BaseHTTPRequestHandler):
    """Not Elasticsearch 8: `status` and `text` are the server's."""

    def do_POST(self) -> None:
        server = cast(Any, self.server)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(server.status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(server.text)))
        self.end_headers()
        self.wfile.write(server.text.encode())

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def other(pipeline: Pipeline, status: int, text: str) -> Iterator[str]:
    """Another server, with Elasticsearch's certificate."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trust.load_cert_chain(
            pipeline.path("config") / "http.crt", pipeline.path("config") / "http.key"
        )
        server.socket = trust.wrap_socket(server.socket, server_side=True)
        cast(Any, server).status, cast(Any, server).text = status, text
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://localhost:{server.server_port}"
        server.shutdown()


SEVEN = (
    '{"username":"ship","has_all_requested":true,"cluster":{"manage_index_templates":true},'
    '"index":{"airflow.*":{"create_doc":true}},"application":{}}'
)
"""What Elasticsearch 7.17.24 answers, as application/json whatever it is asked for."""


def test_an_older_version_and_another_server_are_named(outside: Pipeline) -> None:
    login = logins()[0]
    # The form is refused by those before 7.11.
    refused = '{"error":"Content-Type header is not supported","status":406}'
    for status, text in ((200, SEVEN), (406, refused)):
        with other(outside, status, text) as server:
            told = refusal(server, authority(outside), login)
            assert told.summary.endswith("is too old")
    for status, text in ((200, "<html>Welcome</html>"), (401, "no"), (200, '{"ok": true}')):
        with other(outside, status, text) as server:
            told = refusal(server, authority(outside), login)
            assert told.summary.endswith("is no Elasticsearch")


def backend(server: str, **more: Any) -> FakeBackend:
    values = {
        "aerodrome:monitoring": "logs",
        "aerodrome:elasticsearchUrl": server,
        "aerodrome:logsWriterPassword": Secret(PASSWORD),
        **more,
    }
    return FakeBackend(values=values)


def test_one_that_nobody_reaches_is_refused_before_it_is_used(
    outside: Pipeline, tmp_path: Path
) -> None:
    away = "https://localhost:1"
    with pytest.raises(NobodyAnswers):
        outside_logs.judge(ENVIRONMENT, away, authority(outside), logins()[0])
    session: Any = FakeSession(tmp_path)
    with pytest.raises(UserError, match="cannot be reached") as refused:
        outside_logs.check(session, ENVIRONMENT, backend(away))
    assert "nothing is deployed that could ask" in refused.value.detail
    # Without logs nobody asks it.
    outside_logs.check(session, ENVIRONMENT, backend(away, **{"aerodrome:monitoring": "metrics"}))

    class Sending(FakeBackend):
        """What is deployed already, and sends there."""

        def resources(self) -> list[Any]:
            values = {"elasticsearch": {"outside": {"url": away}}}
            return [SimpleNamespace(type=outside_logs.RELEASE, inputs={"values": values})]

    outside_logs.check(session, ENVIRONMENT, Sending(values=backend(away).values))


def test_a_search_of_the_command_line_goes_there(shipped: Pipeline) -> None:
    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    class Cluster:
        """What `up` has put into it."""

        def find(self, kind: str, name: str, *, namespace: str = "") -> dict[str, Any]:
            if kind == "configmap":
                return {"data": {"ca.crt": authority(shipped)}}
            held = {logs.READER: PASSWORD, logs.OUTSIDE_URL: url(shipped)}
            held[logs.OUTSIDE_READER] = READER
            return {"data": {key: encoded(word) for key, word in held.items()}}

    cloud = SimpleNamespace(kubernetes=lambda namespace, outputs: Cluster())
    live = cast(Live, SimpleNamespace(cloud=cloud, outputs=None))
    with log_search.elasticsearch_of(live) as server:
        found = log_search.lines(server, "test", log_search.LogQuery("wombat 7"))
    assert [one["message"] for one in found] == ["wombat no. 7"]

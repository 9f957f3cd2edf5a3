"""The client, against an Airflow-like HTTP server on loopback."""

import json
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from cli.base.airflow import Airflow
from cli.base.errors import KitError, UserError
from cli.operations import proof
from cli.operations.proof import ProofTimeouts
from cli.operations.task_logs import TaskLogs
from tests.unit.cli.fakes import FakeS3

RUNS = f"/api/v2/dags/{proof.DAG}/dagRuns"
QUICK = ProofTimeouts(dag=0.3, run=0.3, upload=0.0, pause=0.01)
STRUCTURED = [
    {"event": "::group::Log message source details"},
    {"timestamp": "2026-11-22T18:00:00Z", "event": "Task failed with exception"},
    {
        "timestamp": "2026-11-22T18:00:00Z",
        "event": "boom",
        "error_detail": [
            {
                "exc_type": "ValueError",
                "exc_value": "no rows",
                "frames": [{"filename": "pipeline.py", "lineno": 7, "name": "load"}],
            }
        ],
    },
]


class Server(ThreadingHTTPServer):
    """Answers like Airflow 3; tests change what it says."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.state = "success"
        self.failures = 0
        self.broken_off = 0
        self.password = "right"
        self.runs: list[dict[str, str]] = []
        self.requests: list[tuple[str, str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path == "/auth/token":
            right = body["password"] == self.password
            return (201, {"access_token": "t0ken"}) if right else (401, {"detail": "Unauthorized"})
        if path == "/api/v2/monitor/health":
            return 200, {
                "metadatabase": {"status": "healthy"},
                "scheduler": {"status": "unhealthy"},
                "triggerer": {"status": None},
                "dag_processor": None,
            }
        if path == f"/api/v2/dags/{proof.DAG}":
            return 200, {"is_paused": False}
        if path == RUNS:
            return 200, {"dag_run_id": body["dag_run_id"], "state": "queued"}
        if "/logs/" in path:
            return 200, {"content": STRUCTURED}
        if path == "/api/v2/dags/~/dagRuns":
            return 200, {"dag_runs": self.runs, "total_entries": len(self.runs)}
        if path.startswith("/api/v2/dags/~/"):
            return 200, {"task_instances": [], "total_entries": 3}
        if path.endswith("/taskInstances"):
            return 200, {
                "task_instances": [
                    {"task_id": "load", "state": self.state, "try_number": 1, "start_date": "b"},
                    {"task_id": "extract", "state": "success", "try_number": 1, "start_date": "a"},
                ]
            }
        if path.startswith(f"{RUNS}/"):
            return 200, {"state": self.state}
        if path == "/api/v2/importErrors":
            return 200, {"import_errors": []}
        return 404, {"detail": "not found"}


class Handler(BaseHTTPRequestHandler):
    def _respond(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        path = self.path.split("?")[0]
        server.requests.append((self.command, self.path, body))
        open_to_all = path in ("/auth/token", "/api/v2/monitor/health")
        if server.broken_off:
            server.broken_off -= 1
            self.close_connection = True
            return
        if server.failures:
            server.failures -= 1
            status, document = 503, {"detail": "starting"}
        elif not open_to_all and self.headers.get("Authorization") != "Bearer t0ken":
            status, document = 401, {"detail": "no token"}
        else:
            status, document = server.answer(self.command, path, body)
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = _respond

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def airflow(server: Server) -> Iterator[Airflow]:
    with Airflow(server.url, "admin", "right", patience=1.5) as client:
        yield client


def test_a_green_run_is_proved(server: Server, airflow: Airflow) -> None:
    said: list[str] = []
    logs = TaskLogs(FakeS3(), "logs", "sandbox")
    done = proof.prove(airflow, logs, said.append, limits=QUICK)
    assert done.tasks == ["extract", "load"]
    assert done.log_uri.startswith(f"s3://logs/sandbox/dag_id={proof.DAG}/run_id=proof-")
    assert "task load: success" in said
    assert ("PATCH", f"/api/v2/dags/{proof.DAG}", {"is_paused": False}) in server.requests


def test_a_failed_run_shows_the_failing_tasks_log(server: Server, airflow: Airflow) -> None:
    server.state = "failed"
    logs = TaskLogs(FakeS3(), "logs", "sandbox")
    with pytest.raises(KitError) as caught:
        proof.prove(airflow, logs, lambda _: None, limits=QUICK)
    assert caught.value.summary.startswith(f'Task "load" of DAG {proof.DAG} failed')
    assert "Task failed with exception" in caught.value.detail
    assert "pipeline.py:7 in load" in caught.value.detail
    assert "ValueError: no rows" in caught.value.detail
    assert "--task load" in caught.value.command


def test_a_run_that_does_not_end_names_its_tasks(server: Server, airflow: Airflow) -> None:
    server.state = "running"
    with pytest.raises(KitError, match="is not over after 0 seconds") as caught:
        proof.prove(airflow, TaskLogs(FakeS3(), "b", ""), lambda _: None, limits=QUICK)
    assert "load: running" in caught.value.detail


def test_an_unknown_dag(airflow: Airflow) -> None:
    with pytest.raises(KitError, match='does not know the DAG "other"'):
        proof.prove(airflow, TaskLogs(FakeS3(), "b", ""), print, dag="other", limits=QUICK)


def test_a_wrong_password(server: Server) -> None:
    with Airflow(server.url, "admin", "wrong") as airflow, pytest.raises(UserError) as caught:
        airflow.unpause(proof.DAG)
    assert "refuses the login of admin" in caught.value.summary
    assert "wrong" not in str(caught.value)


def test_a_starting_server_is_waited_for(server: Server, airflow: Airflow) -> None:
    server.failures = 1
    assert airflow.health() == {"metadatabase": "healthy", "scheduler": "unhealthy"}


def test_a_login_that_is_broken_off_is_tried_again(server: Server, airflow: Airflow) -> None:
    server.broken_off = 1
    airflow.unpause(proof.DAG)
    assert [path for _, path, _ in server.requests[:2]] == ["/auth/token", "/auth/token"]


def test_a_run_is_not_started_twice(server: Server, airflow: Airflow) -> None:
    airflow.unpause(proof.DAG)
    server.broken_off = 1
    with pytest.raises(KitError, match="broke off"):
        airflow.trigger(proof.DAG, "r1")
    assert [path for _, path, _ in server.requests].count(RUNS) == 1


def test_nobody_there() -> None:
    nowhere = Airflow("http://127.0.0.1:9", patience=0.0)
    with nowhere as airflow, pytest.raises(KitError, match="does not answer"):
        airflow.health()


def test_an_error_shows_what_airflow_said(airflow: Airflow) -> None:
    with pytest.raises(KitError, match="404") as caught:
        airflow.unpause("missing")
    assert "not found" in caught.value.detail


def test_pausing_and_counting(server: Server, airflow: Airflow) -> None:
    with pytest.raises(KitError):
        airflow.pause_all()  # this server has no collection of DAGs
    assert server.requests[-1][0] == "PATCH"
    assert airflow.unfinished() == 3


def test_who_last_started_a_run(server: Server, airflow: Airflow) -> None:
    since = date(2027, 2, 26)
    assert airflow.last_by_hand(since) is None
    server.runs = [
        {"run_after": "2027-03-01T08:00:00Z", "triggered_by": "operator"},
        {"run_after": "2027-02-27T23:30:00-02:00", "triggered_by": "ui"},
        {"run_after": "2027-02-26T08:00:00Z", "triggered_by": "rest_api"},
    ]
    assert airflow.last_by_hand(since) == date(2027, 2, 28)
    _, asked, _ = server.requests[-1]
    assert "run_after_gte=2027-02-26T00:00:00Z&order_by=-run_after" in asked
    del server.runs[1:]
    assert airflow.last_by_hand(since) is None, "a DAG that starts another is nobody's hand"

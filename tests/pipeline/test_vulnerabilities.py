"""The search for known vulnerabilities in what is locked: the real pip-audit, before a database that a test fills."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.pipeline.steps import ROOT
from tests.ports import free_port

LOCK = ROOT / "requirements" / "uv.txt"
ID = "PYSEC-2027-1"
FAULT = {
    "id": ID,
    "summary": "made up",
    "affected": [
        {
            "package": {"name": "uv", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999.1"}]}],
        }
    ],
}
ALLOWED = f"- {{id: {ID}, package: uv, reason: the test says so}}\n"


class Database:
    """OSV's query, as far as pip-audit asks it."""

    def __init__(self) -> None:
        self.known: dict[str, list[dict[str, object]]] = {}
        self.asked: list[str] = []
        self.status = 200
        here = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                here.asked.append(body["package"]["name"])
                found = here.known.get(body["package"]["name"])
                self.send_response(here.status)
                self.end_headers()
                self.wfile.write(json.dumps({"vulns": found} if found else {}).encode())

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1/query"


@pytest.fixture
def database() -> Iterator[Database]:
    running = Database()
    yield running
    running.server.shutdown()


def check(url: str, folder: Path, exceptions: str = "[]") -> subprocess.CompletedProcess[str]:
    file = folder / "exceptions.yaml"
    file.write_text(exceptions)
    told = {"AERODROME_OSV_URL": url, "AERODROME_PIP_AUDIT_EXCEPTIONS": str(file)}
    command = [str(ROOT / ".ci" / "pip-audit"), str(LOCK)]
    return subprocess.run(
        command, env=os.environ | told, capture_output=True, text=True, check=False
    )


def test_nothing_known_is_well(database: Database, tmp_path: Path) -> None:
    done = check(database.url, tmp_path)
    assert (done.returncode, done.stdout) == (0, "1 distributions in 1 locks, 0 exceptions\n")
    assert database.asked == ["pip", "uv"]


def test_a_known_vulnerability_fails_and_is_named(database: Database, tmp_path: Path) -> None:
    database.known["uv"] = [FAULT]
    done = check(database.url, tmp_path)
    assert done.returncode == 1
    assert f"fixed in 999.1: {ID}; exceptions.yaml has no reason for it" in done.stdout


def test_an_exception_holds_with_its_reason_and_as_long_as_it_is_needed(
    database: Database, tmp_path: Path
) -> None:
    database.known["uv"] = [FAULT]
    assert check(database.url, tmp_path, ALLOWED).returncode == 0
    done = check(database.url, tmp_path, f"- {{id: {ID}, package: uv}}\n")
    assert done.returncode == 1
    assert "has no reason" in done.stderr
    database.known.clear()
    done = check(database.url, tmp_path, ALLOWED)
    assert done.returncode == 1
    assert f"{ID} of uv is found no more; delete it there" in done.stdout


@pytest.mark.parametrize("reachable", [True, False])
def test_without_a_database_it_says_that_nothing_was_checked(
    database: Database, tmp_path: Path, reachable: bool
) -> None:
    database.status = 503
    url = database.url if reachable else f"http://127.0.0.1:{free_port()}/v1/query"
    done = check(url, tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith(f"NOT CHECKED: {url} cannot be asked (")
    assert "0 exceptions" not in done.stdout


def test_the_checks_run_it() -> None:
    assert ".ci/pip-audit\n" in (ROOT / ".ci" / "check").read_text()

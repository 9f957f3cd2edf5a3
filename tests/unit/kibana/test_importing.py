"""The import of saved objects, against a server that keeps to what Kibana's documentation says of its API. No Kibana runs here."""

import base64
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from kibana import files
from tests.ports import free_port

USER, PASSWORD = "editor", 'pass: "wörd"'
STATUS = "/api/status"
IMPORT = "/api/saved_objects/_import?overwrite=true"


class Server(HTTPServer):
    """Keeps the objects that it took; `trouble` is what is the matter with it."""

    trouble = ""
    starts = 0
    """How often it still says that it is not ready."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[tuple[str, str], Any] = {}


class Handler(BaseHTTPRequestHandler):
    server: Server

    def answer(self, status: int, content: object) -> None:
        body = content if isinstance(content, str) else json.dumps(content)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def refused(self, status: int, message: str) -> None:
        self.answer(status, {"statusCode": status, "error": "x", "message": message})

    def let_in(self) -> bool:
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers["Authorization"] == f"Basic {login}":
            return True
        self.refused(401, "unable to authenticate user")
        return False

    def do_GET(self) -> None:
        if self.path != STATUS:
            self.refused(404, "Not Found")
        elif self.server.trouble == "another server":
            self.answer(200, "<html>")
        elif self.server.trouble == "old":
            self.answer(200, {"status": {"overall": {"state": "green"}}})
        elif self.server.starts:
            self.server.starts -= 1
            self.answer(503, "Kibana server is not ready yet")
        elif self.let_in():
            level = self.server.trouble if self.server.trouble == "degraded" else "available"
            self.answer(200, {"status": {"overall": {"level": level}}})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if not self.headers["kbn-xsrf"]:
            self.refused(400, "Request must contain a kbn-xsrf header.")
        elif self.path != IMPORT:
            self.refused(404, "Not Found")
        elif self.let_in():
            self.take(body)

    def take(self, body: str) -> None:
        boundary = re.fullmatch("multipart/form-data; boundary=(.+)", self.headers["Content-Type"])
        assert boundary
        begin, part, end = body.split(f"--{boundary[1]}")
        head, _, text = part.partition("\r\n\r\n")
        assert (begin, end) == ("", "--\r\n")
        assert 'name="file"' in head
        if not re.search(r'filename="[^"]+\.ndjson"', head):
            self.refused(400, "Invalid file extension")
        elif self.server.trouble == "a reader":
            self.refused(403, "Unable to bulk_create dashboard,index-pattern")
        elif self.server.trouble == "a gap":
            missing = [{"type": "index-pattern", "id": "aerodrome-logs"}]
            error = {"type": "missing_references", "references": missing}
            wrong = {"type": "search", "id": "aerodrome-run", "title": "x", "error": error}
            self.answer(200, {"success": False, "successCount": 0, "errors": [wrong]})
        else:
            taken = [json.loads(line) for line in text.splitlines() if line.strip()]
            self.server.objects |= {(one["type"], one["id"]): one for one in taken}
            self.answer(200, {"success": True, "successCount": len(taken)})

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def kibana() -> Iterator[Server]:
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def load(
    url: str, *more: str, user: str = USER, password: str | None = PASSWORD
) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "no_proxy": "127.0.0.1"}
    environment.pop("KIBANA_PASSWORD", None)
    if password is not None:
        environment["KIBANA_PASSWORD"] = password
    command = ["-m", "kibana", "import", url, "--user", user, *(more or ("--wait", "0"))]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=files.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    return done


def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def test_all_objects_get_there_and_may_be_sent_again(kibana: Server) -> None:
    for url in (address(kibana), f"{address(kibana)}/"):
        done = load(url)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"8 saved objects are in {url}\n"
    sent = [json.loads(line) for line in files.content().splitlines()]
    assert kibana.objects == {(one["type"], one["id"]): one for one in sent}


def test_one_that_starts_is_waited_for(kibana: Server) -> None:
    kibana.starts = 2
    assert load(address(kibana), "--wait", "60").returncode == 0
    assert len(kibana.objects) == 8
    kibana.starts = 1
    done = load(address(kibana))
    assert done.returncode == 2
    assert done.stderr.endswith("is not ready: it starts\n")


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("degraded", "is not ready: it is degraded"),
        ("old", "is no Kibana 8"),
        ("another server", "is no Kibana: it answers no JSON"),
        ("a reader", "editor may not import saved objects into Kibana at"),
        (
            "a gap",
            "search aerodrome-run: missing references: index-pattern aerodrome-logs",
        ),
    ],
)
def test_what_goes_wrong_is_said(trouble: str, said: str, kibana: Server) -> None:
    kibana.trouble = trouble
    done = load(address(kibana))
    assert done.returncode == 2
    assert said in done.stderr
    assert not kibana.objects


def test_a_wrong_login_or_address_is_named(kibana: Server) -> None:
    for done, said in (
        (load(address(kibana), password="wrong"), "refuses the login of editor: unable to"),
        (load(f"{address(kibana)}/s/none"), "is no Kibana, or has no such space"),
        (load(f"http://127.0.0.1:{free_port()}"), "is not ready: [Errno 111]"),
        (load("kibana:5601"), "is no address such as"),
        (load(address(kibana), password=None), "KIBANA_PASSWORD has no password"),
        (load(address(kibana), "--authority", "none.crt"), "none.crt is no file"),
    ):
        assert done.returncode == 2
        assert said in done.stderr

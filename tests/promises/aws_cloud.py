"""The real Pulumi CLI with the sandbox's aws plugin, against the emulator over HTTP, and what can go
wrong on the way: a proxy that answers in AWS' name."""

import contextlib
import http.client
import io
import json
import os
import re
import socket
import struct
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3

from cli.base.paths import ROOT
from cli.stack.backends import Outcome
from cli.stack.driver import Stack
from cli.stack.found import looker
from cli.stack.place import BACKEND, QUIET, Place, backend_url
from sandbox import pulumi, tools
from sandbox.aws.processes import prepare, stand_in, stand_in_process
from sandbox.cluster import pki
from sandbox.instance import Instance
from sandbox.layout import Layout

REGION = "us-east-1"
HEAD = "import json\nimport pulumi\nimport pulumi_aws as aws\nfrom pulumi import ResourceOptions as O\n"


@dataclass
class Emulator:
    url: str
    key: Mapping[str, str]

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self.key["access_key_id"],
            aws_secret_access_key=self.key["secret_access_key"],
        )


@contextlib.contextmanager
def running_emulator(folder: Path) -> Iterator[Emulator]:
    """One for the tests of a module; it makes its state below `folder`."""
    instance = Instance("promises", 62, folder)
    prepare(instance)
    # The kubernetes plugin reads the authority of a cluster even where nothing is made in it.
    pki.ensure(Layout(instance))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = replace(stand_in(instance), host="127.0.0.1", port=port)
    planned = stand_in_process(settings, tools.ministack_python())
    process = subprocess.Popen(planned.argv, env={"PATH": os.defpath} | dict(planned.env))
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(OSError), urllib.request.urlopen(planned.ready.url):
                break
            time.sleep(0.05)
        key = json.loads(instance.aws_credentials.read_text())
        yield Emulator(f"http://127.0.0.1:{port}", key)
    finally:
        process.terminate()
        process.wait()


class AwsStack:
    """A stack of the real Pulumi CLI, whose cloud is the emulator, or a proxy before it."""

    def __init__(self, folder: Path, emulator: Emulator, url: str = "", name: str = "dev") -> None:
        self.emulator = emulator
        self.url = url or emulator.url
        self.shown = io.StringIO()
        self.project = folder / "project"
        self.state = folder / "state"
        for each in (self.project, self.state):
            each.mkdir(parents=True, exist_ok=True)
        options = {"toolchain": "pip", "virtualenv": str(ROOT / ".venv")}
        project = {"name": "aerodrome", "runtime": {"name": "python", "options": options}}
        (self.project / "Pulumi.yaml").write_text(json.dumps(project))
        self.name = name

    def variables(self, **more: str) -> dict[str, str]:
        return {
            **{key: value for key, value in os.environ.items() if not key.startswith("PULUMI")},
            **pulumi.environment(),
            **QUIET,
            "PULUMI_HOME": str(self.state / "home"),
            BACKEND: backend_url(self.state),
            "PULUMI_CONFIG_PASSPHRASE": "correct horse",
            # Two programs written within a second, of the same length: Python would take the
            # compiled form of the first for the second.
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.emulator.key["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": self.emulator.key["secret_access_key"],
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            **more,
        }

    def place(self, **more: str) -> Place:
        file = self.project / f"Pulumi.{self.name}.yaml"
        return Place(
            self.name,
            file,
            self.variables(**more),
            self.project,
            state=self.state,
            create="passphrase",
        )

    def driver(self, **more: str) -> Stack:
        """As a new process has it."""
        return Stack(self.place(**more), looker(self.emulator.client, _no_cluster))

    def program(self, text: str) -> None:
        (self.project / "__main__.py").write_text(HEAD + text)

    def up(self, **options: Any) -> Outcome:
        return self.driver().up(self.shown, **options)

    def preview(self, **options: Any) -> Outcome:
        return self.driver().preview(self.shown, **options)

    def destroy(self) -> Outcome:
        return self.driver().destroy(self.shown)

    @property
    def checkpoint(self) -> Path:
        found = self.place().checkpoint
        assert found is not None
        return found

    def deployment(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.checkpoint.read_text())["checkpoint"]["latest"]
        return found

    def resources(self) -> dict[str, dict[str, Any]]:
        """By type and name, as in `Vpc::net`."""
        return {
            f"{item['type'].rpartition(':')[2]}::{item['urn'].rpartition('::')[2]}": item
            for item in self.deployment().get("resources") or ()
        }

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        """The CLI as a process that may be killed, in a group of its own."""
        place = self.place()
        return subprocess.Popen(
            [place.executable, *words, "--stack", self.name, "--non-interactive"],
            cwd=self.project,
            env=dict(place.variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def _no_cluster(namespace: str) -> Any:
    raise AssertionError("no test here has a cluster")


@dataclass
class Fault:
    """What happens to the next `times` calls of an operation."""

    operation: str
    kind: str
    """An error code, or `reset`."""
    status: int = 400
    times: int = 1
    after: bool = False
    """Whether the emulator has carried the call out before its answer is lost."""


@dataclass
class Proxy:
    """Between plugin and emulator. `faults` can be changed at any time; `calls` is what passed."""

    target: str
    faults: list[Fault] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    after: Callable[[str], None] = lambda operation: None
    """Called when the emulator has carried out an operation, before its answer goes out."""

    def __post_init__(self) -> None:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                operation = operation_of(self.command, self.path, self.headers, body)
                proxy.calls.append(operation)
                fault = proxy.take(operation)
                if fault is None or fault.after:
                    answer = proxy.forward(self.command, self.path, self.headers, body)
                    proxy.after(operation)
                if fault is None:
                    self.answer(*answer)
                elif fault.kind == "reset":
                    # A FIN would be a clean end of the answer; this is what a dying host does.
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.close_connection = True
                    self.connection.close()
                else:
                    self.answer(fault.status, *refusal(fault.kind, self.headers, body))

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = serve

            def answer(self, status: int, kind: str, content: bytes, etag: str = "") -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                if etag:
                    self.send_header("ETag", etag)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def log_message(self, *args: Any) -> None:
                pass

            def finish(self) -> None:
                if not self.connection._closed:  # type: ignore[attr-defined]  # reset above
                    super().finish()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def take(self, operation: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and re.fullmatch(fault.operation, operation):
                fault.times -= 1
                return fault
        return None

    def count(self, operation: str) -> int:
        return self.calls.count(operation)

    def forward(
        self, method: str, path: str, headers: Any, body: bytes
    ) -> tuple[int, str, bytes, str]:
        """As it came, the Host too: it is signed. What comes back: status, kind, content and ETag."""
        address = urlsplit(self.target)
        connection = http.client.HTTPConnection(str(address.hostname), address.port)
        connection.request(method, path, body, dict(headers.items()))
        found = connection.getresponse()
        kind, etag = (found.headers.get(name) or "" for name in ("Content-Type", "ETag"))
        return found.status, kind, found.read(), etag

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def operation_of(method: str, path: str, headers: Any, body: bytes) -> str:
    """`CreateVpc` for protocols that name it, else `PUT /logs`."""
    target = headers.get("X-Amz-Target")
    if target:
        return str(target.rpartition(".")[2])
    action = parse_qs(body.decode("utf-8", "replace")).get("Action")
    return action[0] if action else f"{method} {path}"


def refusal(code: str, headers: Any, body: bytes) -> tuple[str, bytes]:
    """An error as the service that was called writes it."""
    if headers.get("X-Amz-Target") or "eks/aws4_request" in headers.get("Authorization", ""):
        return "application/json", json.dumps({"__type": code, "message": "injected"}).encode()
    error = f"<Error><Code>{code}</Code><Message>injected</Message></Error>"
    if b"Action=" not in body:
        return "application/xml", error.encode()
    if "/ec2/" in headers.get("Authorization", ""):
        text = f"<Response><Errors>{error}</Errors><RequestID>1</RequestID></Response>"
    else:
        text = f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"
    return "text/xml", text.encode()

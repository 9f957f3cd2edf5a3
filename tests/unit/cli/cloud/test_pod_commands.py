"""Commands in pods: what the API server's websocket says of them. The server is played."""

import base64
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from cli.base.errors import KitError
from cli.cloud.kubernetes import Refused, Unreachable
from cli.cloud.kubernetes.connection import Connection

ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
OUTPUT, ERRORS, STATUS = 1, 2, 3


@dataclass
class Pod:
    """A server that takes one websocket, and sends frames of the channels."""

    frames: list[tuple[int, str]] = field(default_factory=list)
    refuses: str = ""
    """A whole answer instead of a websocket."""

    holds: bool = False
    """Whether the command goes on."""

    asked: str = ""

    def __post_init__(self) -> None:
        self.over = threading.Event()
        self.server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    def connection(self, port: int) -> Connection:
        parts = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "u", "user": {"token": "of-the-tests"}}],
        }
        return Connection(json.dumps(parts))

    def run(self, *command: str, seconds: float | None = 10.0) -> tuple[int, str, str]:
        query = [("command", word) for word in command]
        return self.connection(self.server.getsockname()[1]).execute("/exec", query, seconds)

    def _serve(self) -> None:
        client, _ = self.server.accept()
        with client:
            while b"\r\n\r\n" not in self.asked.encode():
                self.asked += client.recv(65536).decode()
            client.sendall(self.refuses.encode() or self._handshake())
            for channel, text in [] if self.refuses else self.frames:
                data = bytes([channel]) + text.encode()
                assert len(data) < 126 * 256
                client.sendall(b"\x82\x7e" + len(data).to_bytes(2, "big") + data)
            if self.holds:
                self.over.wait(30.0)
            elif not self.refuses:
                client.sendall(b"\x88\x00")

    def _handshake(self) -> bytes:
        key = next(
            line.partition(": ")[2]
            for line in self.asked.splitlines()
            if line.lower().startswith("sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key.encode() + ACCEPT).digest())
        return (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\nSec-WebSocket-Accept: "
            + accept
            + b"\r\n\r\n"
        )


@pytest.fixture
def pod() -> Iterator[Pod]:
    made = Pod()
    yield made
    made.over.set()
    made.server.close()


def failed(**more: object) -> tuple[int, str]:
    return STATUS, json.dumps({"status": "Failure", **more})


def test_what_a_command_said_and_how_it_ended(pod: Pod) -> None:
    pod.frames = [(OUTPUT, "one\n"), (ERRORS, "oh\n"), (OUTPUT, "two\n")]
    pod.frames.append((STATUS, json.dumps({"status": "Success"})))
    assert pod.run("print", "a b&c") == (0, "one\ntwo\n", "oh\n")
    assert pod.asked.startswith("GET /exec?command=print&command=a%20b%26c HTTP/1.1")
    assert "authorization: bearer of-the-tests" in pod.asked.lower()


def test_an_exit_code_is_the_commands(pod: Pod) -> None:
    cause = {"reason": "ExitCode", "message": "7"}
    pod.frames = [failed(reason="NonZeroExitCode", details={"causes": [cause]})]
    assert pod.run("false") == (7, "", "")


def test_a_command_that_cannot_be_run_says_why(pod: Pod) -> None:
    pod.frames = [failed(message='"none": executable file not found in $PATH')]
    with pytest.raises(KitError, match="A command cannot be run in a pod") as caught:
        pod.run("none")
    assert "executable file not found" in caught.value.detail


def test_a_command_that_is_cut_off_has_not_succeeded(pod: Pod) -> None:
    pod.frames = [(OUTPUT, "half")]
    with pytest.raises(KitError, match="A command in a pod was cut off"):
        pod.run("sleep", "5")


def test_a_command_that_does_not_end_is_left(pod: Pod) -> None:
    pod.holds = True
    with pytest.raises(KitError, match="A command in a pod does not end"):
        pod.run("sleep", "50", seconds=0.3)


def test_a_refusal_is_one_by_its_status(pod: Pod) -> None:
    body = json.dumps({"kind": "Status", "message": 'pods "x" is forbidden'})
    pod.refuses = f"HTTP/1.1 403 Forbidden\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    with pytest.raises(Refused, match="Kubernetes forbids it") as caught:
        pod.run("true")
    assert caught.value.status == 403
    assert caught.value.detail == 'pods "x" is forbidden'


def test_a_server_that_is_gone(pod: Pod) -> None:
    with pytest.raises(Unreachable, match="Kubernetes does not answer"):
        pod.connection(9).execute("/exec", [], 10.0)

"""The way into a cluster: logins, certificates, and what is said when one of them is wrong."""

import base64
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cli.base.errors import KitError, UserError
from cli.cloud.kubernetes import Kubernetes, Refused, Unreachable
from tests.api_server import OUTSIDER, TOKEN

Parts = dict[str, Any]


@pytest.fixture
def parts(api_server: str) -> Parts:
    """A kubeconfig that works, for a test to change."""
    found: Parts = json.loads(api_server)
    return found


def client(parts: Parts) -> Kubernetes:
    return Kubernetes(json.dumps(parts))


def user(parts: Parts) -> Parts:
    found: Parts = parts["users"][0]["user"]
    return found


def cluster(parts: Parts) -> Parts:
    found: Parts = parts["clusters"][0]["cluster"]
    return found


class Login:
    """A program that prints tokens, as `aws eks get-token` does."""

    def __init__(self, folder: Path, name: str = "login") -> None:
        self.program = folder / name
        self._calls = folder / "calls"
        self.answers("")

    def answers(self, text: str, code: int = 0, errors: str = "") -> None:
        script = (
            f"#!{sys.executable}\nimport os, sys\n"
            f"open({str(self._calls)!r}, 'a').write(os.environ['WHO'] + sys.argv[1] + '\\n')\n"
            "assert 'ExecCredential' in os.environ['KUBERNETES_EXEC_INFO']\n"
            f"print({text!r})\nprint({errors!r}, file=sys.stderr)\nsys.exit({code})\n"
        )
        self.program.write_text(script)
        self.program.chmod(0o755)

    def gives(self, token: str, seconds: float = 900.0) -> None:
        expires = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        self.answers(json.dumps({"status": {"token": token, "expirationTimestamp": expires}}))

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines() if self._calls.exists() else []

    def into(self, parts: Parts) -> Parts:
        parts["users"][0]["user"] = {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1beta1",
                "command": str(self.program),
                "args": ["get-token"],
                "env": [{"name": "WHO", "value": "me "}],
            }
        }
        return parts


@pytest.fixture
def login(tmp_path: Path) -> Login:
    return Login(tmp_path)


def test_a_program_logs_in_once(parts: Parts, login: Login) -> None:
    login.gives(TOKEN)
    kubernetes = client(login.into(parts))
    assert kubernetes.find("namespace", "default")
    assert kubernetes.find("namespace", "default")
    assert login.calls == ["me get-token"]


def test_a_token_that_is_about_to_expire_is_renewed(parts: Parts, login: Login) -> None:
    login.gives(TOKEN, seconds=30.0)
    kubernetes = client(login.into(parts))
    kubernetes.find("namespace", "default")
    known = len(login.calls)
    kubernetes.find("namespace", "default")
    assert len(login.calls) == known + 1


def test_a_token_that_is_not_accepted_any_more_is_renewed(parts: Parts, login: Login) -> None:
    login.gives("of yesterday")
    kubernetes = client(login.into(parts))
    with pytest.raises(Refused):
        kubernetes.find("namespace", "default")
    login.gives(TOKEN)
    assert kubernetes.find("namespace", "default")


def test_an_expired_login_is_told_with_the_next_command(parts: Parts, tmp_path: Path) -> None:
    aws = Login(tmp_path, "aws")
    aws.gives("nobody's")
    with pytest.raises(Refused, match="does not accept this machine's login") as caught:
        client(aws.into(parts)).objects("pods")
    assert (caught.value.status, caught.value.exit_code) == (401, 1)
    assert "expired" in caught.value.detail
    assert caught.value.command == "aws sts get-caller-identity"
    assert "nobody's" not in str(caught.value)
    assert len(aws.calls) == 2


def test_what_is_forbidden_says_what_and_to_whom(parts: Parts) -> None:
    user(parts)["token"] = OUTSIDER
    with pytest.raises(Refused, match="Kubernetes forbids it") as caught:
        client(parts).objects("secrets")
    assert (caught.value.status, caught.value.exit_code) == (403, 1)
    assert 'User "outsider" cannot list resource "secrets"' in caught.value.detail
    assert OUTSIDER not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (("", 1, "The SSO session has expired"), "The SSO session has expired"),
        (("", 7, ""), "exit code 7"),
        (("secret but no JSON", 0, ""), "it prints no token"),
        (('{"status": {"secret": "x"}}', 0, ""), "it prints no token"),
    ],
)
def test_a_login_that_fails_says_why(
    answer: tuple[str, int, str], why: str, parts: Parts, login: Login
) -> None:
    login.answers(*answer)
    with pytest.raises(UserError, match="There is no login to the cluster") as caught:
        client(login.into(parts)).objects("pods")
    assert caught.value.detail == f"`{login.program} get-token`: {why}"
    assert "secret" not in str(caught.value)


def test_a_login_program_that_is_missing_is_named(parts: Parts, login: Login) -> None:
    login.program.unlink()
    with pytest.raises(UserError, match="There is no login") as caught:
        client(login.into(parts)).objects("pods")
    assert "No such file" in caught.value.detail
    assert caught.value.exit_code == 2


def test_a_token_may_be_in_a_file(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    parts["users"][0]["user"] = {"tokenFile": "token"}
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(parts))
    assert Kubernetes(file).find("namespace", "default")


def _without(key: str) -> Callable[[Parts], object]:
    return lambda parts: parts.pop(key)


@pytest.mark.parametrize(
    ("breaks", "why"),
    [
        (_without("current-context"), "it has no current-context"),
        (_without("clusters"), "it has no clusters"),
        (lambda parts: parts["users"].clear(), "it has no user u"),
        (lambda parts: cluster(parts).pop("server"), "it has no server"),
        (lambda parts: cluster(parts).update(server=None), "it has no server"),
        (
            lambda parts: cluster(parts).update({"certificate-authority-data": "!"}),
            "it is not in a kubeconfig's form",
        ),
        (lambda parts: parts.update(users="secret"), "it is not in a kubeconfig's form"),
        (
            lambda parts: user(parts).update({"client-key": "nowhere.pem"}),
            "No such file or directory: 'nowhere.pem'",
        ),
    ],
)
def test_a_broken_kubeconfig_says_what_is_wrong(
    breaks: Callable[[Parts], object], why: str, parts: Parts
) -> None:
    breaks(parts)
    with pytest.raises(UserError, match="The kubeconfig cannot be used") as caught:
        client(parts).objects("pods")
    assert caught.value.exit_code == 2
    assert caught.value.detail.startswith("The stack's output `kubeconfig`: ")
    assert caught.value.detail.endswith(why)
    assert caught.value.command == "pulumi stack output kubeconfig"


@pytest.mark.parametrize("text", ["", "secret", "[secret]", "{secret", "\0"])
def test_a_kubeconfig_that_is_none_is_not_shown(text: str, tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    with pytest.raises(UserError, match="The kubeconfig cannot be used") as caught:
        Kubernetes(file).objects("pods")
    assert caught.value.detail == f"{file}: it is not in a kubeconfig's form"
    assert caught.value.command == f"kubectl config view --kubeconfig={file}"


def test_a_kubeconfig_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="The kubeconfig cannot be used") as caught:
        Kubernetes(tmp_path / "none").objects("pods")
    assert "No such file or directory" in caught.value.detail


@pytest.mark.parametrize(
    ("server", "why"),
    [
        ("https://127.0.0.1:9", "Connection refused"),
        ("https://no-such-host.invalid", "no-such-host.invalid"),
    ],
)
def test_a_cluster_that_does_not_answer(server: str, why: str, parts: Parts) -> None:
    cluster(parts)["server"] = server
    with pytest.raises(Unreachable, match="Kubernetes does not answer") as caught:
        client(parts).objects("pods")
    assert caught.value.exit_code == 1
    assert caught.value.detail.startswith(f"{server}: ")
    assert why in caught.value.detail


def test_a_server_that_takes_connections_and_says_nothing(parts: Parts) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        cluster(parts)["server"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        with pytest.raises(Unreachable, match="does not answer"):
            client(parts)._connection.request("GET", "/version", seconds=0.5)
    assert time.monotonic() - begun < 5.0


def test_a_server_whose_certificate_is_somebody_elses(parts: Parts) -> None:
    del cluster(parts)["certificate-authority-data"]
    with pytest.raises(Unreachable, match="does not answer") as caught:
        client(parts).objects("pods")
    assert "certificate verify failed" in caught.value.detail
    cluster(parts)["insecure-skip-tls-verify"] = True
    assert client(parts).find("namespace", "default")


class Answer(BaseHTTPRequestHandler):
    """A server behind which the API server is gone: what a load balancer says then."""

    status, body = 503, b"<html>no healthy upstream</html>"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Nothing: the test looks at what the client gets."""


@contextmanager
def served(answer: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), answer) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http{'s' if context else ''}://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_what_is_no_answer_of_kubernetes_is_shown(parts: Parts) -> None:
    with served(Answer, None) as url:
        cluster(parts)["server"] = url
        with pytest.raises(Refused) as caught:
            client(parts).objects("pods")
    assert caught.value.status == 503
    assert "no healthy upstream" in caught.value.detail


class Certified(BaseHTTPRequestHandler):
    """A server that tells whose certificate it saw."""

    def do_GET(self) -> None:
        connection = self.connection
        assert isinstance(connection, ssl.SSLSocket)
        names = dict(pair[0] for pair in (connection.getpeercert() or {}).get("subject", ()))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(names).encode())

    def log_message(self, *_: object) -> None:
        """Nothing: the test looks at what the client gets."""


ASK = """import os, sys
from cli.cloud.kubernetes.connection import Connection
print(Connection(sys.stdin.read()).request("GET", "/").decode(), flush=True)
os._exit(0)
"""


def test_a_certificate_is_a_login_and_its_key_is_on_no_disk(parts: Parts, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    request = ("req", "-x509", "-nodes", "-subj", "/CN=admin", "-newkey", "rsa:2048")
    names = ("-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", str(key), "-out", str(certificate))
    subprocess.run(["openssl", *request, *names, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    pem = {one: base64.b64encode(one.read_bytes()).decode() for one in (key, certificate)}
    parts["users"][0]["user"] = {
        "client-certificate-data": pem[certificate],
        "client-key-data": pem[key],
    }
    cluster(parts)["certificate-authority-data"] = pem[certificate]
    with served(Certified, context) as url:
        cluster(parts)["server"] = url
        folder = tmp_path / "temporary"
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", ASK],
            input=json.dumps(parts),
            env={**os.environ, "TMPDIR": str(folder)},
            capture_output=True,
            text=True,
            check=True,
        )
    assert json.loads(done.stdout) == {"commonName": "admin"}
    # It was killed: nothing could be cleaned up at its end.
    assert list(folder.iterdir()) == []


def test_a_plain_request_takes_no_package_of_kubernetes(parts: Parts) -> None:
    """Its import takes longer than most requests."""
    code = ASK.replace("os._exit(0)", "print('kubernetes' in sys.modules)")
    words = [sys.executable, "-c", code.replace('"/"', '"/version"')]
    done = subprocess.run(
        words, input=json.dumps(parts), capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("\nFalse\n")


@pytest.mark.parametrize("exempt", ["", "127.0.0.0/8"])
def test_a_proxy_of_the_environment_is_asked_but_for_servers_that_need_none(
    exempt: str, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", exempt)
    if exempt:
        assert client(parts).objects("namespaces", everywhere=True)
        return
    with pytest.raises(Unreachable) as caught:
        client(parts).objects("namespaces", everywhere=True)
    assert "proxy" in caught.value.detail.lower()


def test_a_proxy_of_the_kubeconfig_is_asked(parts: Parts) -> None:
    cluster(parts)["proxy-url"] = "http://127.0.0.1:9"
    with pytest.raises(KitError, match="does not answer") as caught:
        client(parts).objects("pods")
    assert "proxy" in caught.value.detail.lower()

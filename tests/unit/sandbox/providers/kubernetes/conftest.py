"""A bare Kubernetes for the tests: etcd and a kube-apiserver on loopback, no node, no controllers.

Everything about objects is real; nothing makes pods run, so tests write statuses themselves.
"""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import tools
from sandbox.errors import UserError
from sandbox.providers import contract
from sandbox.providers.kubernetes import kubeconfig
from sandbox.providers.kubernetes.client import Client
from sandbox.providers.kubernetes.provider import KubernetesProvider
from sandbox.providers.kubernetes.transport import Transport
from sandbox.wire.values import Properties, reveal
from tests.ports import free_port

TOKEN = "token-of-the-tests"
START_SECONDS = 120


def config(server: str, namespace: str = "") -> str:
    context = {"cluster": "c", "user": "u"} | ({"namespace": namespace} if namespace else {})
    cluster = {"server": server, "insecure-skip-tls-verify": True}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "tests",
            "contexts": [{"name": "tests", "context": context}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": TOKEN}}],
        }
    )


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The kubeconfig of a kube-apiserver that lives as long as the tests."""
    try:
        etcd, kube_apiserver = tools.tool("etcd"), tools.tool("kube-apiserver")
    except UserError:
        pytest.skip("set-up has not been run")
    folder = tmp_path_factory.mktemp("api-server")
    client, peer, secure = free_port(), free_port(), free_port()
    key = folder / "service-accounts.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    (folder / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n')
    commands = [
        [
            *(etcd, "--data-dir", folder / "etcd", "--unsafe-no-fsync"),
            f"--listen-client-urls=http://127.0.0.1:{client}",
            f"--advertise-client-urls=http://127.0.0.1:{client}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
        ],
        [
            *(kube_apiserver, f"--etcd-servers=http://127.0.0.1:{client}"),
            *("--bind-address=127.0.0.1", f"--secure-port={secure}", f"--cert-dir={folder}"),
            *("--service-account-issuer=https://tests", f"--service-account-key-file={key}"),
            f"--service-account-signing-key-file={key}",
            *(f"--token-auth-file={folder / 'tokens.csv'}", "--authorization-mode=RBAC"),
            *("--service-cluster-ip-range=10.96.0.0/24", "--profiling=false"),
            "--disable-admission-plugins=ServiceAccount",
        ],
    ]
    processes = []
    with (folder / "log").open("w") as log:
        for command in commands:
            processes.append(subprocess.Popen(command, stdout=log, stderr=log))
    try:
        _wait(f"https://127.0.0.1:{secure}/readyz", folder / "log")
        yield config(f"https://127.0.0.1:{secure}")
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGKILL)
            process.wait()


def _wait(url: str, log: Path) -> None:
    import ssl

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
        try:
            with urllib.request.urlopen(request, context=context, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"the kube-apiserver did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def client(api_server: str) -> Client:
    return Client(Transport(kubeconfig.load(api_server)))


@pytest.fixture
def namespace(client: Client) -> str:
    name = f"t{os.urandom(4).hex()}"
    client.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
        "tests",
        dry_run=False,
    )
    return name


@dataclass
class Made:
    """A resource as the engine would know it."""

    urn: str
    type: str
    id: str
    inputs: Properties
    outputs: Properties


class Engine:
    """The calls that an engine makes, in its order."""

    def __init__(self, provider: KubernetesProvider) -> None:
        self.provider = provider

    def check(
        self, token: str, name: str, news: Properties, olds: Properties | None = None
    ) -> Properties:
        request = contract.CheckRequest(urn(token, name), token, name, olds or {}, news, b"s" * 32)
        result = self.provider.check(request)
        assert not result.failures, result.failures
        checked: Properties = reveal(result.inputs)
        return checked

    def create(self, token: str, name: str, news: Properties, timeout: float = 0.0) -> Made:
        inputs = self.check(token, name, news)
        request = contract.CreateRequest(urn(token, name), token, name, inputs, timeout=timeout)
        result = self.provider.create(request)
        return Made(urn(token, name), token, result.id, inputs, reveal(result.outputs))

    def preview(self, token: str, name: str, news: Properties) -> Properties:
        inputs = self.check(token, name, news)
        request = contract.CreateRequest(urn(token, name), token, name, inputs, preview=True)
        previewed: Properties = reveal(self.provider.create(request).outputs)
        return previewed

    def diff(self, made: Made, inputs: Properties) -> contract.DiffResult:
        return self.provider.diff(
            contract.DiffRequest(made.urn, made.type, made.id, made.inputs, made.outputs, inputs)
        )

    def update(
        self, made: Made, inputs: Properties, ignore: tuple[str, ...] = (), preview: bool = False
    ) -> Properties:
        updated: Properties = reveal(
            self.provider.update(
                contract.UpdateRequest(
                    urn=made.urn,
                    type=made.type,
                    id=made.id,
                    old_inputs=made.inputs,
                    old_outputs=made.outputs,
                    inputs=inputs,
                    preview=preview,
                    ignore_changes=ignore,
                )
            )
        )
        return updated

    def read(self, made: Made) -> contract.ReadResult | None:
        request = contract.ReadRequest(made.urn, made.type, made.id, made.inputs, made.outputs)
        return self.provider.read(request)

    def delete(self, made: Made, timeout: float = 20.0) -> None:
        self.provider.delete(
            contract.DeleteRequest(
                made.urn, made.type, made.id, made.inputs, made.outputs, timeout=timeout
            )
        )


def urn(token: str, name: str) -> str:
    return f"urn:pulumi:dev::demo::{token}::{name}"


def engine_for(text: str, **arguments: object) -> Engine:
    provider = KubernetesProvider()
    provider.configure(contract.ConfigureRequest({"kubeconfig": text, **arguments}))
    return Engine(provider)


@pytest.fixture
def engine(api_server: str) -> Engine:
    return engine_for(api_server)


@pytest.fixture
def make_engine(api_server: str):
    """An Engine whose provider has the arguments given."""
    return lambda **arguments: engine_for(api_server, **arguments)

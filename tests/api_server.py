"""A bare Kubernetes for the tests: etcd and a kube-apiserver on loopback, no node, no controllers.

Everything about objects is real; nothing makes pods run, so tests write statuses themselves.
"""

import base64
import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox import tools
from sandbox.errors import UserError
from tests.ports import free_port

TOKEN = "token-of-the-tests"
OUTSIDER = "token-of-somebody-without-rights"
START_SECONDS = 240


def config(server: str, authority: Path) -> str:
    context = {"cluster": "c", "user": "u"}
    trusted = base64.b64encode(authority.read_bytes()).decode()
    cluster = {"server": server, "certificate-authority-data": trusted}
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
    with running(tmp_path_factory.mktemp("api-server")) as kubeconfig:
        yield kubeconfig


@contextmanager
def running(folder: Path, *more: str) -> Iterator[str]:
    """One of its own, for tests whose definitions and nodes are not for others to see, with `more` arguments: its kubeconfig."""
    try:
        etcd, kube_apiserver = tools.tool("etcd"), tools.tool("kube-apiserver")
    except UserError:
        pytest.skip("set-up has not been run")
    client, peer, secure = free_port(), free_port(), free_port()
    key = folder / "service-accounts.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    (folder / "tokens.csv").write_text(
        f'{TOKEN},admin,admin,"system:masters"\n{OUTSIDER},outsider,outsider\n'
    )
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
            *more,
        ],
    ]
    processes = []
    with (folder / "log").open("w") as log:
        for command in commands:
            processes.append(subprocess.Popen(command, stdout=log, stderr=log))
    try:
        _wait(f"https://127.0.0.1:{secure}/readyz", folder / "log")
        yield config(f"https://127.0.0.1:{secure}", folder / "apiserver.crt")
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
    raise TimeoutError(f"the kube-apiserver did not start:\n{log.read_text()[-2000:]}")

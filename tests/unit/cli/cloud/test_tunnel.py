"""The way to a private API server: the kit's client, kubectl and programs with HTTPS_PROXY, a real kube-apiserver behind it.

AWS's plugin is played by `played_plugin`, AWS by `Aws`; that the real request passes IAM is in tests/promises.
"""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from cli.app import app
from cli.base.console import Console
from cli.base.environments import Environment
from cli.base.errors import CloudError, KitError, UserError
from cli.cloud.aws_cloud import AwsCloud
from cli.cloud.kubernetes import Kubernetes, Unreachable
from cli.cloud.tunnel import plugin as plugin_program
from cli.cloud.tunnel import sessions, way
from cli.cloud.tunnel.listeners import Port, Proxy
from cli.cloud.tunnel.sessions import WorkerSessions
from cli.cloud.tunnel.tunnels import ClusterPlace, EnvironmentWay, Tunnels
from cli.cloud.tunnel.way import Way
from cli.operations import tunnels
from cli.session import Session
from cli.stack.driver import Stack
from cli.stack.place import Place
from infra.contract.api_endpoints import DOCUMENT
from infra.contract.outputs import Outputs
from sandbox import tools
from tests.unit.cli.cloud import played_plugin

HOST = "kubernetes"
"""A name that the API server's certificate has, and that leads nowhere here: as that of a private endpoint from outside."""

PROXIES = (
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
)


class Aws:
    """Clients of EKS, EC2 and Systems Manager with one cluster."""

    def __init__(self) -> None:
        self.workers = ["i-1", "i-2"]
        self.online = ["i-1", "i-2"]
        self.joins_after = -1
        """How often nobody is online before the second worker is; never if it is negative."""
        self.refused = ""
        self.public = False
        self.endpoint = f"https://{HOST}"
        self.started: list[dict[str, Any]] = []
        self.ended: list[str] = []
        self.meta = SimpleNamespace(endpoint_url="https://ssm.test", region_name="us-east-1")

    def __call__(self, service: str) -> Any:
        return self

    def can_paginate(self, operation: str) -> bool:
        return False

    def describe_cluster(self, name: str) -> dict[str, Any]:
        if name != "aerodrome-prod":
            raise ClientError(
                {"Error": {"Code": "ResourceNotFoundException", "Message": "No"}}, "DescribeCluster"
            )
        network = {"endpointPublicAccess": self.public}
        return {"cluster": {"endpoint": self.endpoint, "resourcesVpcConfig": network}}

    def describe_instances(self, Filters: list[dict[str, Any]]) -> dict[str, Any]:
        named = {one["Name"]: one["Values"] for one in Filters}
        assert named["tag:eks:cluster-name"] == ["aerodrome-prod"]
        return {"Reservations": [{"Instances": [{"InstanceId": one} for one in self.workers]}]}

    def describe_instance_information(self, Filters: list[dict[str, Any]]) -> dict[str, Any]:
        (asked,) = Filters
        if self.joins_after == 0:
            self.online = self.workers[1:]
        self.joins_after -= 1
        return {
            "InstanceInformationList": [
                {
                    "InstanceId": one,
                    "PingStatus": "Online" if one in self.online else "ConnectionLost",
                }
                for one in asked["Values"]
            ]
        }

    def start_session(self, **request: Any) -> dict[str, Any]:
        if self.refused:
            message = "not authorized to perform: ssm:StartSession"
            raise ClientError({"Error": {"Code": self.refused, "Message": message}}, "StartSession")
        self.started.append(request)
        number = len(self.started)
        return {
            "SessionId": f"me-{number}",
            "TokenValue": f"token-{number}",
            "StreamUrl": "wss://x",
        }

    def terminate_session(self, SessionId: str) -> dict[str, Any]:
        self.ended.append(SessionId)
        return {}


class Setting:
    """One way to one cluster, with a played plugin on the PATH."""

    def __init__(self, folder: Path, kubeconfig: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.aws = Aws()
        self.folder = folder
        content = json.loads(kubeconfig)
        cluster = content["clusters"][0]["cluster"]
        self.real = urlsplit(cluster["server"])
        cluster["server"] = f"https://{HOST}"
        self.kubeconfig = json.dumps(content)
        program = folder / "bin" / plugin_program.PLUGIN
        program.parent.mkdir()
        source = Path(played_plugin.__file__)
        program.write_text(f"#!{sys.executable}\n{source.read_text()}")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        for worker in self.aws.workers:
            self.leads(worker, str(self.real.port))
        for name in PROXIES:
            monkeypatch.delenv(name, raising=False)
        self.environ = {
            **os.environ,
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "AERODROME_PLAYED": str(folder),
        }
        self.reports: list[str] = []
        self.tunnels = Tunnels(self.reports.append, self.environ)
        self.configured = False
        place = ClusterPlace(
            lambda region: self.aws,
            lambda: "us-east-1",
            lambda: ["aerodrome-branch", "aerodrome-prod"],
            lambda: self.configured,
        )
        self.way = EnvironmentWay(self.tunnels, "prod", place)

    def leads(self, worker: str, where: str) -> None:
        (self.folder / worker).write_text(where)

    def starts(self) -> list[dict[str, Any]]:
        file = self.folder / "starts"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def client(self) -> Kubernetes:
        """As each command makes one."""
        return Kubernetes(
            self.way.kubeconfig(self.kubeconfig),
            "default",
            tools.tool("kubectl"),
            explain=self.way.trouble,
        )


@pytest.fixture
def setting(tmp_path: Path, api_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    made = Setting(tmp_path, api_server, monkeypatch)
    yield made
    made.tunnels.close()


def ask(client: Kubernetes) -> str:
    found = client.find("namespace", "default")
    assert found is not None
    return str(found["metadata"]["name"])


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_client_reaches_the_server_by_a_worker_and_leaves_no_session(setting: Setting) -> None:
    assert setting.starts() == []
    assert ask(setting.client()) == "default"
    assert ask(setting.client()) == "default"
    (start,) = setting.starts()
    (request,) = setting.aws.started
    assert request["Target"] == "i-1"
    assert request["DocumentName"] == DOCUMENT
    parameters = request["Parameters"]
    assert (parameters["host"], parameters["portNumber"]) == ([HOST], ["443"])
    given, *_, asked, _ = start["arguments"]
    assert given == "AWS_SSM_START_SESSION_RESPONSE"
    assert start["place"] == ["us-east-1", "StartSession", "", "https://ssm.test"]
    assert json.loads(asked) == request
    # Every user of the machine sees the arguments.
    assert "token-1" not in json.dumps(start["arguments"])
    assert start["response"] == {
        "SessionId": "me-1",
        "TokenValue": "token-1",
        "StreamUrl": "wss://x",
    }
    assert alive(start["pid"])
    setting.tunnels.close()
    assert not alive(start["pid"])
    assert setting.aws.ended == ["me-1"]


def test_kubectl_and_programs_with_a_proxy_go_the_same_way(setting: Setting) -> None:
    client = setting.client()
    code, output, errors = client.kubectl.pipe(b"", "get", "namespace", "default", "-o", "name")
    assert (code, output) == (0, "namespace/default\n"), errors
    # As Pulumi's kubernetes provider: its kubeconfig is the state's, and names no proxy.
    plain = setting.folder / "kubeconfig"
    plain.write_text(setting.kubeconfig)
    users = {
        **setting.environ,
        "NO_PROXY": f"example.org,{HOST}",
        "https_proxy": "http://127.0.0.1:9",
    }
    variables = setting.way.variables(users)
    command = [str(tools.tool("kubectl")), f"--kubeconfig={plain}", "get", "namespace", "default"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(setting.starts()) == 1
    without = subprocess.run(
        command, env=setting.environ, capture_output=True, text=True, check=False
    )
    assert without.returncode != 0


def test_a_command_in_a_pod_goes_the_same_way(setting: Setting) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "none"}}
    pod["spec"] = {"containers": [{"name": "main"}]}
    # The API server's own words: there is no such pod.
    with pytest.raises(KitError, match=r"refuses") as refused:
        setting.client().execute(pod, "true", seconds=5)
    assert "not found" in refused.value.detail


def test_a_public_server_is_reached_without_a_proxy(setting: Setting) -> None:
    setting.aws.public = True
    assert setting.way.kubeconfig(setting.kubeconfig) == setting.kubeconfig
    assert setting.way.variables({"A": "b"}) == {"A": "b"}


def test_a_server_that_this_machine_reaches_takes_no_session(setting: Setting) -> None:
    """Inside the VPC, or while the endpoint is still public: a configured one is not private yet."""
    setting.aws.public, setting.configured = True, True
    setting.aws.endpoint = f"https://127.0.0.1:{setting.real.port}"
    setting.kubeconfig = setting.kubeconfig.replace(f"https://{HOST}", setting.aws.endpoint)
    assert "proxy-url" in setting.way.kubeconfig(setting.kubeconfig)
    assert ask(setting.client()) == "default"
    assert setting.starts() == []


def test_a_connection_waits_until_the_first_worker_is_online(setting: Setting) -> None:
    setting.aws.online, setting.aws.joins_after = [], 2
    assert ask(setting.client()) == "default"
    assert setting.aws.started[0]["Target"] == "i-2"
    assert setting.reports == [
        "waiting for a worker of aerodrome-prod in AWS Systems Manager",
        "connected to aerodrome-prod through i-2",
    ]


def test_without_a_worker_the_reason_is_what_clients_show(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting.aws.online = []
    made = WorkerSessions(
        setting.aws,
        sessions.ApiServer("aerodrome-prod", "us-east-1", HOST),
        environ=setting.environ,
        patience=0.1,
    )
    with pytest.raises(sessions.NoWorker, match="No worker of aerodrome-prod is online") as none:
        made.port()
    assert none.value.command.startswith("aws ssm describe-instance-information --region us-east-1")
    made.close()


def test_a_session_that_ended_is_opened_again_with_another_worker(setting: Setting) -> None:
    client = setting.client()
    assert ask(client) == "default"
    (first,) = setting.starts()
    os.kill(first["pid"], signal.SIGKILL)
    assert ask(setting.client()) == "default"
    assert [one["Target"] for one in setting.aws.started] == ["i-1", "i-2"]
    assert setting.aws.ended == ["me-1"]


@pytest.mark.parametrize("how", ["gone", "closed"])
def test_a_session_that_leads_nowhere_any_more_is_given_up(setting: Setting, how: str) -> None:
    setting.leads("i-1", how)
    assert ask(setting.client()) == "default"
    assert [one["Target"] for one in setting.aws.started] == ["i-1", "i-2"]
    assert setting.aws.ended == ["me-1"]
    assert not alive(setting.starts()[0]["pid"])


def test_a_plugin_that_fails_is_quoted(setting: Setting) -> None:
    for worker in ("i-1", "i-2"):
        setting.leads(worker, "the data channel was refused")
    with pytest.raises(KitError, match=r"session-manager-plugin does not connect") as failed:
        ask(setting.client())
    assert failed.value.detail == "the data channel was refused"
    assert set(setting.aws.ended) >= {"me-1"}


@pytest.mark.parametrize("version", ["1.2.234.0", "1.2.497.0", ""])
def test_an_old_plugin_is_refused_before_it_gets_a_token(setting: Setting, version: str) -> None:
    (setting.folder / "version").write_text(version)
    with pytest.raises(UserError, match="session-manager-plugin is too old"):
        ask(setting.client())
    assert setting.aws.started == []


def test_a_missing_plugin_is_named_with_the_way_to_get_it(setting: Setting) -> None:
    setting.environ["PATH"] = "/nowhere"
    with pytest.raises(UserError, match="session-manager-plugin is not on the PATH") as missing:
        ask(setting.client())
    assert plugin_program.INSTALL in missing.value.detail
    assert missing.value.exit_code == 2
    assert setting.aws.started == []


def test_a_denied_session_says_which_action(setting: Setting) -> None:
    setting.aws.refused = "AccessDeniedException"
    with pytest.raises(CloudError, match="AWS refuses to open a session with i-1") as denied:
        ask(setting.client())
    assert "ssm:StartSession" in denied.value.detail


def test_a_worker_that_has_just_gone_is_passed_over(setting: Setting) -> None:
    setting.aws.refused = "TargetNotConnected"

    def said(text: str) -> None:
        setting.aws.refused = ""

    setting.tunnels._report = said
    assert ask(setting.client()) == "default"


@contextmanager
def echo() -> Iterator[int]:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                here, _ = server.accept()
            except OSError:
                return
            here.sendall(here.recv(100).upper())
            here.close()

    threading.Thread(target=serve, daemon=True).start()
    yield int(server.getsockname()[1])
    server.close()


def connect(port: int, *lines: str) -> socket.socket:
    here = socket.create_connection(("127.0.0.1", port), 10)
    here.sendall("\r\n".join([*lines, "", ""]).encode())
    return here


def until_end(here: socket.socket) -> bytes:
    found = b""
    while data := here.recv(1000):
        found += data
    return found


def login(proxy: Proxy) -> str:
    return f"Proxy-Authorization: {proxy._login}"


@pytest.fixture
def proxy(setting: Setting) -> Iterator[Proxy]:
    def refuse(target: sessions.ApiServer) -> WorkerSessions:
        raise AssertionError("no session may be opened")

    made = Proxy(Way(setting.aws, "us-east-1", lambda: ["aerodrome-prod"], refuse))
    yield made
    made.close()


def test_other_hosts_are_reached_as_without_it(proxy: Proxy) -> None:
    with (
        echo() as port,
        connect(proxy.port, f"CONNECT 127.0.0.1:{port} HTTP/1.1", login(proxy)) as here,
    ):
        head = here.recv(len("HTTP/1.1 200 Connected\r\n\r\n"))
        assert head.startswith(b"HTTP/1.1 200")
        here.sendall(b"hello")
        assert until_end(here) == b"HELLO"


def test_a_host_that_is_no_cluster_of_ours_takes_no_session(proxy: Proxy) -> None:
    with connect(proxy.port, "CONNECT other.invalid:443 HTTP/1.1", login(proxy)) as here:
        assert until_end(here).startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize(
    ("line", "more", "status"),
    [
        ("CONNECT kubernetes:443 HTTP/1.1", "", b"407"),
        ("CONNECT kubernetes:443 HTTP/1.1", "Proxy-Authorization: Basic eDp5", b"407"),
        ("GET http://kubernetes/ HTTP/1.1", "LOGIN", b"405"),
        ("CONNECT kubernetes HTTP/1.1", "LOGIN", b"405"),
    ],
)
def test_nobody_else_uses_it_and_for_nothing_else(
    proxy: Proxy, line: str, more: str, status: bytes
) -> None:
    with connect(proxy.port, line, login(proxy) if more == "LOGIN" else more) as here:
        assert until_end(here).startswith(b"HTTP/1.1 " + status)


def test_it_listens_on_loopback_alone(proxy: Proxy) -> None:
    listening = f"0100007F:{proxy.port:04X}"
    table = Path("/proc/net/tcp").read_text()
    assert listening in table
    assert f"00000000:{proxy.port:04X}" not in table


def test_the_users_own_proxy_is_taken_for_other_hosts(
    proxy: Proxy, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second proxy of ours plays it: it wants a login, too."""
    users = Proxy(Way(setting.aws, "us-east-1", list, WorkerSessions))  # type: ignore[arg-type]
    with echo() as port:
        monkeypatch.setattr(way, "_seconds", lambda host, port: 1.0)
        seen = []
        real = users._way.pass_on

        def pass_on(here: Any, host: str, *more: Any) -> None:
            seen.append(host)
            monkeypatch.delenv("HTTPS_PROXY")
            real(here, host, *more)

        monkeypatch.setattr(users._way, "pass_on", pass_on)
        monkeypatch.setenv("HTTPS_PROXY", users.url)
        line = f"CONNECT 127.0.0.1:{port} HTTP/1.1"
        with connect(proxy.port, line, login(proxy)) as here:
            here.recv(len("HTTP/1.1 200 Connected\r\n\r\n"))
            here.sendall(b"hello")
            assert until_end(here) == b"HELLO"
    assert seen == ["127.0.0.1"]
    users.close()


def test_a_plain_port_outlives_a_broken_session(setting: Setting) -> None:
    failed: list[str] = []
    listener = Port(setting.way.way(), HOST, 443, failed.append)
    content = json.loads(setting.kubeconfig)
    cluster = content["clusters"][0]["cluster"]
    cluster |= {"server": f"https://127.0.0.1:{listener.port}", "tls-server-name": HOST}
    client = Kubernetes(json.dumps(content))
    assert ask(client) == "default"
    os.kill(setting.starts()[0]["pid"], signal.SIGKILL)
    time.sleep(0.2)
    assert ask(client) == "default"
    assert failed == []
    listener.close()
    with pytest.raises(Unreachable):
        ask(Kubernetes(json.dumps(content)))


def live(setting: Setting, *, sandboxed: bool = False) -> Any:
    """What the command has found: `prod`, deployed."""
    return SimpleNamespace(
        environment=Environment("prod"),
        cloud=SimpleNamespace(keeps_kubernetes=sandboxed),
        outputs=Outputs({Outputs.kubeconfig.key: setting.kubeconfig}),
        kubernetes=setting.client(),
        session=SimpleNamespace(
            way=lambda _: setting.way, console=SimpleNamespace(report=setting.reports.append)
        ),
    )


def test_people_get_a_port_and_a_kubeconfig_for_it_and_nobody_else_does(setting: Setting) -> None:
    with tunnels.opened(live(setting), 0, None) as opened:
        file = Path(opened.kubeconfig)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        done = subprocess.run(
            [str(tools.tool("kubectl")), f"--kubeconfig={file}", "get", "namespaces", "-o", "name"],
            env=setting.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "namespace/default" in done.stdout, done.stderr
        assert opened.data()["server"].startswith("https://127.0.0.1:")
        assert opened.host == HOST
    assert not file.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(opened.server.rpartition(":")[2])))


def test_a_file_of_ones_own_is_not_written_over(setting: Setting, tmp_path: Path) -> None:
    own = tmp_path / "own"
    with tunnels.opened(live(setting), 0, own) as opened:
        assert opened.kubeconfig == str(own)
        assert stat.S_IMODE(own.stat().st_mode) == 0o600
    assert not own.exists()
    own.write_text("mine")
    refused = pytest.raises(UserError, match="is there already")
    with refused, tunnels.opened(live(setting), 0, own):
        pass
    assert own.read_text() == "mine"


def test_a_port_that_is_taken_is_named(setting: Setting) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        refused = pytest.raises(UserError, match=f"Port {taken} cannot be had")
        with refused, tunnels.opened(live(setting), taken, None):
            pass


def test_a_sandbox_needs_no_tunnel(setting: Setting) -> None:
    refused = pytest.raises(UserError, match="is on this machine")
    with refused, tunnels.opened(live(setting, sandboxed=True), 0, None):
        pass


def test_all_that_asks_the_cluster_goes_that_way(setting: Setting) -> None:
    """A cloud with the way: its client of Kubernetes, and the runs of Pulumi, but not its other commands."""
    cloud = AwsCloud(Environment("prod"), setting.environ, setting.way)
    outputs = {Outputs.kubeconfig.key: setting.kubeconfig}
    assert ask(cloud.kubernetes("default", outputs)) == "default"
    (setting.folder / "bin" / "pulumi").symlink_to(sys.executable)
    place = Place.of(Environment("prod"), cloud.variables(), setting.folder)
    stack = Stack(replace(place, for_runs=cloud.run_variables, project=setting.folder))
    run = stack._program(setting.folder).variables
    assert run["HTTPS_PROXY"].startswith("http://aerodrome:")
    assert run["HTTPS_PROXY"] in str(cloud.kubernetes("default", outputs).kubeconfig)
    assert "HTTPS_PROXY" not in stack._program().variables


def test_what_a_command_opened_ends_with_it(setting: Setting, tmp_path: Path) -> None:
    class OnAws(Session):
        def cloud(self, environment: Environment, sandbox: str = "") -> Any:
            ask(setting.client())
            raise UserError("It failed half-way", "A reason.")

    session = OnAws(Console(), {})
    session.tunnels = setting.tunnels
    result = CliRunner().invoke(app, ["status", "--env", "prod"], obj=session)
    assert result.exit_code == 2
    assert setting.aws.ended == ["me-1"]
    assert not alive(setting.starts()[0]["pid"])

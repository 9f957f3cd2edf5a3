"""A real emulator for these tests, on a loopback port, and what plays Kubernetes for it."""

import contextlib
import json
import os
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from sandbox import tools
from sandbox.aws.processes import new_key, stand_in_process
from sandbox.aws.standin.settings import EmulatorSettings
from tests.ports import free_port

REGION = "us-east-1"


class FakeKubernetes:
    """What the emulator asks of an API server, over plain HTTP.

    It knows the tokens that a test puts into `tokens`, and notes RoleBindings in `applied`.
    """

    def __init__(self) -> None:
        self.tokens: dict[str, dict[str, Any]] = {}
        self.applied: list[dict[str, Any]] = []
        reviews = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body["status"] = reviews.review(body["spec"])
                self.send_response(201)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def do_PATCH(self) -> None:
                reviews.applied.append(
                    json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                )
                known = "/namespaces/missing/" not in self.path
                self.send_response(201 if known else 404)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def review(self, spec: dict[str, Any]) -> dict[str, Any]:
        user = self.tokens.get(spec["token"])
        if user is None:
            return {"authenticated": False, "error": "invalid bearer token"}
        return {"authenticated": True, "audiences": spec["audiences"], "user": user}

    def add_pod(self, token: str, namespace: str, service_account: str, pod: str) -> None:
        self.tokens[token] = {
            "username": f"system:serviceaccount:{namespace}:{service_account}",
            "extra": {
                "authentication.kubernetes.io/pod-name": [pod],
                "authentication.kubernetes.io/pod-uid": ["uid-1"],
            },
        }


@dataclass
class Emulator:
    """A running stand-in. `client` gives boto3 clients, with root's key by default."""

    settings: EmulatorSettings
    kubernetes: FakeKubernetes
    process: subprocess.Popen[bytes]
    module: str = "tests.aws.standin"
    """What runs: the sandbox's stand-in with the tests' extensions."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    @property
    def root(self) -> dict[str, str]:
        key = self.settings.root_key()
        return {"id": key.access_key_id, "secret": key.secret_access_key}

    def client(
        self, service: str, id: str = "", secret: str = "", token: str | None = None, **more: Any
    ) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=id or self.root["id"],
            aws_secret_access_key=secret or self.root["secret"],
            aws_session_token=token,
            **more,
        )

    def user(self, name: str, policy: dict[str, Any] | None = None) -> dict[str, str]:
        """A new IAM user's access key, as arguments of `client`."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        if policy:
            iam.put_user_policy(
                UserName=name, PolicyName="inline", PolicyDocument=json.dumps(policy)
            )
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}

    def role(self, name: str, service: str, actions: list[str], **more: Any) -> str:
        """A new role that a service may assume; its ARN."""
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": actions}
        policy = {"Version": "2012-10-17", "Statement": [statement | more]}
        iam = self.client("iam")
        created = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(policy))
        return str(created["Role"]["Arn"])

    def subnets(self) -> list[str]:
        """Two new subnets in two zones of a new VPC."""
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        return [
            ec2.create_subnet(
                VpcId=vpc, CidrBlock=f"10.9.{number}.0/24", AvailabilityZone=f"us-east-1{zone}"
            )["Subnet"]["SubnetId"]
            for number, zone in enumerate("ab")
        ]

    def cluster(self, name: str, subnets: list[str], **more: Any) -> Any:
        """A new cluster with a role of its own."""
        role = self.role(f"{name}-cluster", "eks.amazonaws.com", ["sts:AssumeRole"])
        network = {"subnetIds": subnets}
        arguments = {"accessConfig": {"authenticationMode": "API"}} | more
        return self.client("eks").create_cluster(
            name=name, roleArn=role, resourcesVpcConfig=network, **arguments
        )["cluster"]

    def start(self) -> None:
        planned = stand_in_process(self.settings, tools.ministack_python(), self.module)
        self.process = subprocess.Popen(planned.argv, env={"PATH": os.defpath} | dict(planned.env))
        wait_for(planned.ready.url)

    def kill(self) -> None:
        """End it without a chance to save."""
        self.process.kill()
        self.process.wait()


def new_emulator(
    folder: Path, registry: str = "http://127.0.0.1:1", **settings_of_its_own: Any
) -> Emulator:
    kubernetes = FakeKubernetes()
    (folder / "root.json").write_text(json.dumps(new_key()))
    (folder / "ca.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    config = {
        "clusters": [{"cluster": {"server": kubernetes.url}}],
        "users": [{"user": {}}],
    }
    (folder / "kubeconfig").write_text(json.dumps(config))
    settings = EmulatorSettings(
        state=folder / "state",
        host="127.0.0.1",
        port=free_port(),
        credentials=folder / "root.json",
        cluster_endpoint="https://10.213.0.2:6443",
        cluster_ca=folder / "ca.crt",
        cluster_kubeconfig=folder / "kubeconfig",
        registry_url=registry,
    )
    settings = replace(settings, **settings_of_its_own)
    emulator = Emulator(settings, kubernetes, process=None)  # type: ignore[arg-type]
    emulator.start()
    return emulator


def wait_for(url: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with contextlib.suppress(OSError), urllib.request.urlopen(url):
            return
        time.sleep(0.05)
    raise TimeoutError(f"{url} does not answer")


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real image registry."""
    folder, port = tmp_path_factory.mktemp("registry"), free_port()
    config = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder)}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    command = [str(tools.tool("docker-registry")), "serve", str(folder / "config.json")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_for(f"http://127.0.0.1:{port}/v2/")
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory, registry: str) -> Iterator[Emulator]:
    """One for all tests of this folder: each makes resources with names of its own."""
    running = new_emulator(tmp_path_factory.mktemp("aws"), registry)
    yield running
    running.process.terminate()
    running.process.wait()
    running.kubernetes.server.shutdown()


@pytest.fixture
def own_emulator(tmp_path: Path) -> Iterator[Emulator]:
    """One that a test may end and start again."""
    running = new_emulator(tmp_path)
    yield running
    running.kill()
    running.kubernetes.server.shutdown()


@pytest.fixture(scope="session")
def subnets(emulator: Emulator) -> list[str]:
    """Two subnets in two zones, for clusters."""
    return emulator.subnets()

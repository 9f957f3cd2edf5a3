"""The sandbox as an environment's cloud: AWS's APIs and a Kubernetes on this machine."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.base import passphrase
from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.lease_stores import FileStore, Store
from cli.base.paths import state_dir
from cli.base.phases import Phases
from cli.base.record import Record, on_sandbox
from cli.base.settings import DEFAULT_REGION
from cli.cloud.kubernetes import Kubernetes
from cli.cloud.resource import Client
from cli.cloud.sandbox import Machine, Report, Sandbox, identity

UNSET = (
    "AWS_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "PULUMI_ACCESS_TOKEN",
    "PULUMI_IGNORE_AMBIENT_PLUGINS",
)
"""Variables of the user's own account and login, which must not reach a sandbox."""

WITHOUT_GRAFANA = {"grafana": "false"}
NO_GRAFANA = "A sandbox gets its images from its own registry, and Grafana's server can neither be built nor pulled there."
NO_TASK_NODES = (
    "A sandbox has one node, this machine: an instance of its emulated EC2 joins no cluster."
)


@dataclass(frozen=True)
class SandboxCloud:
    """`cli.cloud.protocol.Cloud` for an environment on this machine."""

    environment: Environment
    machine: Machine
    name: str
    """Of the sandbox."""

    report: Report
    ui_port: Callable[[], int]
    """The loopback port for a sandbox that is to be started."""

    asks = False
    phases = 1
    configures = True
    has_passphrase = True
    keeps_kubernetes = True
    runs_instances = False
    default_region = DEFAULT_REGION

    @property
    def state(self) -> Path | None:
        return state_dir() / "stacks"

    @property
    def where(self) -> str:
        return f' on the sandbox "{self.name}"'

    def settings(self, *, shared: bool) -> Mapping[str, str]:
        if shared:
            return {"uiServiceType": "NodePort"}
        node_port = str(self.machine.ui_node_port())
        return {"uiServiceType": "NodePort", "uiNodePort": node_port, **WITHOUT_GRAFANA}

    def refusal(self, key: str, value: str) -> str:
        if key == "taskNodes" and value != "false":
            return NO_TASK_NODES
        return NO_GRAFANA if WITHOUT_GRAFANA.get(key, value) != value else ""

    def unlock(self, *, make: bool = False) -> None:
        passphrase.provide(self.environment, make=make)

    def variables(self) -> dict[str, str]:
        variables = {key: value for key, value in os.environ.items() if key not in UNSET}
        sandbox = self.find()
        # Those of the sandbox lead to the same tools, and to its AWS and its Kubernetes.
        variables |= sandbox.environment() if sandbox else self.machine.tools_environment()
        file = passphrase.file(self.environment)
        return variables | ({passphrase.PASSPHRASE_FILE: str(file)} if file else {})

    def run_variables(self, variables: Mapping[str, str]) -> dict[str, str]:
        return dict(variables)

    def begin(self, phases: Phases) -> None:
        self.unlock(make=True)
        with phases.phase("sandbox"):
            self.machine.up(self.name, report=self.report, ui_port=self.ui_port())

    def end(self, phases: Phases, *, keep: bool) -> str:
        others = self.neighbours()
        if keep or others:
            return f"it carries {', '.join(others)}" if others else "as you asked"
        with phases.phase("sandbox"):
            self.remove()
        return ""

    def remove(self) -> None:
        """Takes the sandbox away. KitError that names what cannot be removed."""
        left = self.machine.down(self.name, report=self.report)
        if left:
            raise KitError(
                f"{len(left)} thing(s) of the sandbox are left on this machine",
                "\n".join(f"{leftover.kind} {leftover.what}" for leftover in left),
                "./aerodrome sandbox down",
            )

    def find(self) -> Sandbox | None:
        """The sandbox if it is up."""
        try:
            return self.machine.get(self.name)
        except UserError:
            return None

    def running(self) -> Sandbox:
        """The sandbox, which must be up."""
        sandbox = self.find()
        if sandbox is None:
            raise UserError(
                f'The sandbox "{self.name}" is not up',
                "The environment lives in it.",
                "./aerodrome up --env sandbox",
            )
        return sandbox

    def is_up(self) -> bool:
        return self.find() is not None

    def require(self) -> None:
        self.running()

    def trouble(self) -> str:
        if not self.is_up():
            return f'its sandbox "{self.name}" is not up'
        record = Record.read(self.environment)
        if record is not None and record.identity != self.life():
            return "gone with its sandbox"
        return ""

    def life(self) -> str:
        # Also that of a sandbox that is stopped: `up` starts it again with all that it held.
        sandbox = self.find()
        instance = sandbox.instance if sandbox else self.machine.status(self.name).instance
        try:
            return identity(instance) if instance else ""
        except FileNotFoundError:
            return ""

    def holds(self) -> bool:
        record, life = Record.read(self.environment), self.life()
        return record is not None and bool(life) and record.identity == life

    def neighbours(self) -> list[str]:
        return on_sandbox(self.environment.record_file.parent, self.name)

    def client(self, region: str | None = None) -> Client:
        from cli.cloud import clients

        variables = self.running().environment()
        aws = clients.session(
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
            region_name=variables.get("AWS_REGION", DEFAULT_REGION),
        )
        endpoint = variables["AWS_ENDPOINT_URL"]

        def make(service: str) -> Any:
            # The stubs have one overload a service, and want its name as a literal.
            return aws.client(service, endpoint_url=endpoint)  # type: ignore[call-overload]

        return make

    def region(self, chosen: str, plain: Mapping[str, str]) -> str:
        return ""

    def lease_store(self, region: str) -> Store | None:
        return FileStore(self.environment.name)

    def kubernetes(
        self, namespace: str, outputs: Mapping[str, Any], cluster: str = "", region: str = ""
    ) -> Kubernetes:
        kubeconfig = self.running().instance.admin_kubeconfig
        return Kubernetes(kubeconfig, namespace, self.machine.tool("kubectl"))

    def own_addresses(self) -> tuple[str, ...]:
        instance = self.running().instance
        return (
            f"http://localhost:{instance.ui_port}",
            f"http://{instance.node_address}:{self.machine.ui_node_port()}",
        )

    def addresses(self, service: Mapping[str, Any]) -> tuple[str, ...]:
        port = service["spec"]["ports"][0].get("nodePort")
        return (f"http://{self.running().instance.node_address}:{port}",) if port else ()

    def status(self) -> dict[str, Any]:
        found = self.machine.status(self.name)
        return {
            "name": self.name,
            "up": found.running,
            "memoryBytes": found.memory_bytes,
            "processes": [
                {"name": process.name, "pid": process.pid, "state": process.state}
                for process in found.processes
            ],
        }

    def process_logs(self) -> Path | None:
        return self.running().instance.logs

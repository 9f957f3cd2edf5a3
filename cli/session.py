"""What a verb needs, made in one place, on demand.

Everything heavy (the engine, boto3, httpx) is imported when it is first asked for: a verb
that does not need it must not wait for it. Tests hand the verbs a session of fakes.
"""

import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.base import environments
from cli.base import passphrase as passphrases
from cli.base.console import Console
from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.git import Checkout
from cli.base.settings import DEFAULT_REGION, REGION_KEY
from cli.cloud.limits import Limits
from cli.cloud.sandbox import Machine, Progress, Sandbox
from infra.contract.naming import Names
from infra.contract.outputs import Outputs

if TYPE_CHECKING:
    from cli.base.airflow import Airflow
    from cli.base.lease_stores import Store
    from cli.cloud.kubernetes import Kubectl
    from cli.stack.backends import Backend
    from cli.stack.pending import Look
    from cli.stack.place import Place

SANDBOX_VARIABLE = "AERODROME_SANDBOX"
PORT_VARIABLE = "AERODROME_UI_PORT"
SETUP_VARIABLE = "AERODROME_SETUP_SECONDS"


class Session:
    """One run of the command line."""

    def __init__(
        self, console: Console | None = None, environ: Mapping[str, str] = os.environ
    ) -> None:
        self.console = console or Console()
        self.debug = False
        self.chosen_ui_port: int | None = None
        self._environ = environ
        self.sandbox_name = environ.get(SANDBOX_VARIABLE) or "default"
        """Which of this machine's sandboxes: tests have others beside the default one."""

        self.limits = Limits()
        """How long a teardown may wait for what; tests have less patience."""

        self.same = ""
        """The options with which another command, typed here, means the same environment."""

    def step(self, progress: Progress) -> None:
        """Shows a step of the sandbox's work when it is over."""
        if progress.state == "started":
            return
        took = f" ({progress.seconds:.1f} s)" if progress.seconds >= 0.1 else ""
        failed = f" failed: {progress.detail}" if progress.state == "failed" else ""
        self.console.report(f"{progress.step}{took}{failed}")

    @property
    def ui_port(self) -> int:
        """The loopback port for a sandbox that is to be started."""
        if self.chosen_ui_port is not None:
            return self.chosen_ui_port
        text = self._environ.get(PORT_VARIABLE) or "8080"
        if not text.isdecimal() or not 1 <= int(text) <= 65535:
            raise UserError(f"{PORT_VARIABLE}={text} is no port", "A number from 1 to 65535.")
        return int(text)

    @property
    def setup_seconds(self) -> float | None:
        """How long set-up took before it started this command; None if it did not."""
        text = self._environ.get(SETUP_VARIABLE, "")
        return float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else None

    def checkout(self) -> Checkout:
        """Where the command was called: its git branch has an environment."""
        try:
            return Checkout(Path.cwd(), self._environ)
        except FileNotFoundError as error:
            raise UserError(
                "The folder that you are in does not exist any more",
                "Somebody removed it. Go to another one.",
                "cd",
            ) from error

    def machine(self) -> Machine:
        """The sandbox's front door."""
        return Machine()

    def backend(self, environment: Environment, sandbox: Sandbox | None = None) -> "Backend":
        """What deploys `environment`; a sandbox is needed for what asks the cloud."""
        from cli.stack.driver import Stack

        return Stack(self.place(environment, sandbox), self._look(environment, sandbox))

    def place(self, environment: Environment, sandbox: Sandbox | None = None) -> "Place":
        """Where its stack is, and with which variables the Pulumi CLI reaches it and its cloud."""
        from cli.stack import place

        if not environment.sandboxed:
            return place.on_aws(environment)
        variables = self.machine().tools_environment()
        if sandbox is not None:
            variables |= sandbox.environment()
        return place.in_sandbox(environment, passphrases.file(environment), variables)

    def _look(self, environment: Environment, sandbox: Sandbox | None) -> "Look":
        """Finds in the cloud what an interrupted run of Pulumi may have made."""
        from cli.stack.found import looker

        def client(service: str) -> Any:
            # Made when it is needed: only what was interrupted is looked for.
            region = self.backend(environment).plain().get(REGION_KEY) or DEFAULT_REGION
            return self.client(sandbox, region)(service)

        def kubectl(namespace: str) -> "Kubectl":
            outputs = dict(self.backend(environment).outputs())
            if sandbox is None and not outputs.get(Outputs.kubeconfig.key):
                from cli.cloud.eks import kubeconfig
                from cli.stack.stack_config import BASE_KEY

                plain = self.backend(environment).plain()
                region = plain.get(REGION_KEY) or DEFAULT_REGION
                cluster = Names(plain.get(BASE_KEY) or environment.name).cluster
                outputs[Outputs.kubeconfig.key] = kubeconfig(client, cluster, region)
            return self.kubectl(namespace, outputs, sandbox)

        return looker(client, kubectl)

    def environments(self) -> list[Environment]:
        """Those that may be deployed: with a configuration here, or a stack where Pulumi keeps them."""
        from cli.stack.listing import stacks

        here = [name for name in environments.known() if Environment(name).sandboxed]
        return [Environment(name) for name in [*here, *stacks(self.console.report)]]

    def airflow(self, url: str, username: str, password: str, patience: float) -> "Airflow":
        from cli.base.airflow import Airflow

        return Airflow(url, username, password, patience=patience)

    def kubectl(
        self, namespace: str, outputs: Mapping[str, Any], sandbox: Sandbox | None
    ) -> "Kubectl":
        """kubectl in a namespace of the sandbox, or of the cluster of a stack with these outputs."""
        from cli.cloud.kubernetes import Kubectl

        if sandbox is None:
            from cli.stack.backends import need

            return Kubectl(need(outputs, Outputs.kubeconfig), namespace)
        return Kubectl(sandbox.instance.admin_kubeconfig, namespace, self.machine().tool("kubectl"))

    def lease_store(self, environment: Environment, region: str) -> "Store | None":
        """Where the environment's lease lies; None in an account that bootstrap did not prepare."""
        if environment.sandboxed:
            from cli.base.lease_stores import FileStore

            return FileStore(environment.name)
        from cli.cloud.lease_bucket import store_of

        return store_of(self.client(None, region), environment.name, region)

    def today(self) -> date:
        """Of the whole run: in UTC, as everywhere in the cloud."""
        return datetime.now(UTC).date()

    def client(self, sandbox: Sandbox | None, region: str | None = None) -> Callable[[str], Any]:
        """Makes boto3 clients for the sandbox's AWS; without a sandbox for that of the user's profile."""
        import boto3

        if sandbox is None:
            # The stubs have one overload a service, and want its name as a literal.
            return boto3.Session(region_name=region).client  # type: ignore[return-value]
        variables = sandbox.environment()
        aws = boto3.Session(
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
            region_name=variables.get("AWS_REGION", DEFAULT_REGION),
        )
        endpoint = variables["AWS_ENDPOINT_URL"]

        def make(service: str) -> Any:
            # The stubs have one overload a service, and want its name as a literal.
            return aws.client(service, endpoint_url=endpoint)  # type: ignore[call-overload]

        return make

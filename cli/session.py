"""What a verb needs, made in one place, on demand.

Everything heavy (the engine, boto3, httpx) is imported when it is first asked for: a verb
that does not need it must not wait for it. Tests hand the verbs a session of fakes.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.base import environments
from cli.base.console import Console
from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.git import Checkout
from cli.base.settings import DEFAULT_REGION, REGION_KEY, qualified
from cli.cloud.aws_cloud import AwsCloud
from cli.cloud.limits import Limits
from cli.cloud.protocol import Cloud
from cli.cloud.resource import Client
from cli.cloud.sandbox import Machine, Progress
from cli.cloud.sandbox_cloud import SandboxCloud
from cli.cloud.tunnel.tunnels import ClusterPlace, EnvironmentWay, Tunnels
from cli.stack import config_file, stack_config
from infra.contract import api_endpoints
from infra.contract.naming import Names

if TYPE_CHECKING:
    from cli.base.airflow import Airflow
    from cli.cloud.kubernetes import Kubernetes
    from cli.stack.backends import Backend
    from cli.stack.bucket import StoredStates
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

    def cloud(self, environment: Environment, sandbox: str = "") -> Cloud:
        """Where the environment lives: the one place that decides which cloud it is. `sandbox`: its
        sandbox's name, if that is not the one of this run."""
        if environment.sandboxed:
            return self.sandbox_cloud(environment, sandbox)
        return AwsCloud(environment, way=self.way(environment))

    @cached_property
    def tunnels(self) -> Tunnels:
        """The ways to clusters whose API is reached from inside their VPC only."""
        return Tunnels(self.console.report)

    def way(self, environment: Environment) -> EnvironmentWay:
        """The one of an environment on AWS."""
        cloud = AwsCloud(environment)

        def plain() -> Mapping[str, str]:
            # As far as it is here: to look for one elsewhere takes a run of the Pulumi CLI.
            return config_file.plain(config_file.read(environment.config_file))

        def region() -> str:
            try:
                return cloud.region("", plain())
            except UserError:
                return ""

        def clusters() -> list[str]:
            base = plain().get(stack_config.BASE_KEY) or environment.base
            return [Names(name).cluster for name in dict.fromkeys((environment.name, base)) if name]

        def configured() -> bool:
            access = plain().get(qualified(api_endpoints.SETTING), api_endpoints.PUBLIC)
            return api_endpoints.takes_sessions(access)

        place = ClusterPlace(
            lambda region: cloud.client(region or None), region, clusters, configured
        )
        return EnvironmentWay(self.tunnels, environment.name, place)

    def close(self) -> None:
        """Ends what a run has opened and that does not end by itself."""
        if "tunnels" in self.__dict__:
            self.tunnels.close()

    def sandbox_cloud(self, environment: Environment, sandbox: str = "") -> SandboxCloud:
        """The sandbox of this run, or the one called `sandbox`, as the environment's cloud."""
        return SandboxCloud(
            environment,
            self.machine(),
            sandbox or self.sandbox_name,
            self.step,
            lambda: self.ui_port,
        )

    def backend(self, environment: Environment, cloud: Cloud | None = None) -> "Backend":
        """What deploys `environment`."""
        from cli.stack.driver import Stack

        where = cloud or self.cloud(environment)
        return Stack(self.place(environment, where), self._look(environment, where))

    def reader(self, environment: Environment, cloud: Cloud) -> "Backend":
        """What looks into `environment` and changes nothing: without a run of the Pulumi CLI where its state can be read."""
        backend = self.backend(environment, cloud)
        if cloud.state is None and self.bucket and environment.name in self.bucket.keys:
            backend.read_by(self.bucket.state)
        return backend

    @cached_property
    def bucket(self) -> "StoredStates | None":
        """The states of environments on AWS, if `pulumi login` chose a bucket of S3. One that cannot be read is left to the
        Pulumi CLI, which knows more ways to log in."""
        from cli.cloud import clients
        from cli.stack.bucket import StoredStates

        def make(place: Mapping[str, str], endpoint: str) -> Any:
            return clients.session(**place).client("s3", endpoint_url=endpoint or None)

        try:
            return StoredStates.chosen(self._environ, make)
        except KitError as error:
            self.console.report(f"{error.summary}: {error.detail}")
            return None

    def place(self, environment: Environment, cloud: Cloud) -> "Place":
        """Where its stack is, and with which variables the Pulumi CLI reaches it and its cloud."""
        from cli.stack.place import Place

        place = Place.of(environment, cloud.variables(), cloud.state)
        return replace(place, for_runs=cloud.run_variables)

    def _look(self, environment: Environment, cloud: Cloud) -> "Look":
        """Finds in the cloud what an interrupted run of Pulumi may have made."""
        from cli.stack.found import looker

        def region() -> str:
            return self.backend(environment).plain().get(REGION_KEY) or DEFAULT_REGION

        def kubernetes(namespace: str) -> "Kubernetes":
            backend = self.backend(environment)
            base = backend.plain().get(stack_config.BASE_KEY) or environment.name
            return cloud.kubernetes(namespace, backend.outputs(), Names(base).cluster, region())

        # Clients are made when they are needed: only what was interrupted is looked for.
        return looker(lambda service: cloud.client(region())(service), kubernetes)

    def environments(self) -> list[Environment]:
        """Those that may be deployed: with a configuration here, or a stack where Pulumi keeps them."""
        names = environments.known() if self.machine().is_here() else []
        here = [name for name in names if Environment(name).sandboxed]
        return [Environment(name) for name in [*here, *self._on_aws()]]

    def _on_aws(self) -> list[str]:
        from cli.stack.listing import stacks

        if self.bucket is None:
            return stacks(self.console.report)
        return sorted(name for name in self.bucket.keys if not Environment(name).sandboxed)

    def airflow(self, url: str, username: str, password: str, patience: float) -> "Airflow":
        from cli.base.airflow import Airflow

        return Airflow(url, username, password, patience=patience)

    def aws(self, region: str) -> Client:
        """AWS itself, whatever the environment's cloud is: it knows the prices."""
        return AwsCloud(Environment("")).client(region)

    def today(self) -> date:
        """Of the whole run: in UTC, as everywhere in the cloud."""
        return datetime.now(UTC).date()

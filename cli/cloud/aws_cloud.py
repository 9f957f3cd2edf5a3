"""AWS as an environment's cloud: the account and region that the user's own tools would take."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.lease_stores import Store
from cli.base.phases import Phases
from cli.base.settings import REGION_KEY
from cli.base.values import need
from cli.cloud.kubernetes import Kubernetes
from cli.cloud.protocol import REGION_VARIABLES
from cli.cloud.resource import Client
from cli.cloud.tunnel.tunnels import EnvironmentWay
from infra.contract.outputs import Outputs


class AwsCloud:
    """`cli.cloud.protocol.Cloud` for an environment on AWS."""

    asks = True
    phases = 0
    has_passphrase = False
    keeps_kubernetes = False
    runs_instances = True
    default_region = ""
    state: Path | None = None
    where = ""

    def __init__(
        self,
        environment: Environment,
        environ: Mapping[str, str] = os.environ,
        way: EnvironmentWay | None = None,
    ) -> None:
        self._environment = environment
        self._environ = environ
        self._way = way
        self.configures = bool(environment.base)

    def settings(self, *, shared: bool) -> Mapping[str, str]:
        return {}

    def refusal(self, key: str, value: str) -> str:
        return ""

    def unlock(self, *, make: bool = False) -> None:
        """Pulumi's own secrets provider does it."""

    def variables(self) -> dict[str, str]:
        return dict(self._environ)

    def run_variables(self, variables: Mapping[str, str]) -> dict[str, str]:
        return self._way.variables(variables) if self._way else dict(variables)

    def begin(self, phases: Phases) -> None:
        """AWS is there."""

    def end(self, phases: Phases, *, keep: bool) -> str:
        return ""

    def is_up(self) -> bool:
        return True

    def require(self) -> None:
        """AWS is there."""

    def trouble(self) -> str:
        return ""

    def life(self) -> str:
        return ""

    def holds(self) -> bool:
        return True

    def neighbours(self) -> list[str]:
        return []

    def client(self, region: str | None = None) -> Client:
        from cli.cloud import clients

        # The stubs have one overload a service, and want its name as a literal.
        return clients.session(region_name=region).client  # type: ignore[return-value]

    def region(self, chosen: str, plain: Mapping[str, str]) -> str:
        # Where the configuration is gone, the variables of AWS' own tools say it.
        regions = (self._environ.get(name, "") for name in REGION_VARIABLES)
        found = chosen or plain.get(REGION_KEY) or next(filter(None, regions), "")
        if not found:
            name = self._environment.name
            raise UserError(
                f'No region is known for "{name}"',
                "Its stack has no configuration here. Set it as for AWS' own tools:",
                f"AWS_REGION=eu-central-1 ./aerodrome down --env {name}",
            )
        return found

    def lease_store(self, region: str) -> Store | None:
        from cli.cloud.lease_bucket import store_of

        return store_of(self.client(region), self._environment.name, region)

    def kubernetes(
        self, namespace: str, outputs: Mapping[str, Any], cluster: str = "", region: str = ""
    ) -> Kubernetes:
        if cluster and not outputs.get(Outputs.kubeconfig.key):
            from cli.cloud import eks

            text = eks.kubeconfig(self.client(region), cluster, region)
        else:
            text = need(outputs, Outputs.kubeconfig)
        if self._way is None:
            return Kubernetes(text, namespace)
        return Kubernetes(
            self._way.kubeconfig(text, region or str(outputs.get(Outputs.region.key) or "")),
            namespace,
            explain=self._way.trouble,
        )

    def own_addresses(self) -> tuple[str, ...]:
        return ()

    def addresses(self, service: Mapping[str, Any]) -> tuple[str, ...]:
        port = service["spec"]["ports"][0]["port"]
        waiting = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
        hosts = [str(item.get("hostname") or item.get("ip")) for item in waiting]
        return tuple(f"http://{host}:{port}" for host in hosts)

    def status(self) -> dict[str, Any] | None:
        return None

    def process_logs(self) -> Path | None:
        return None

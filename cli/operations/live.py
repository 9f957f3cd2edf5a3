"""An environment that is deployed, and how its parts are reached: the same with either tenancy, on either cloud.

The verbs that look into one (`open`, `logs`, `status`, `exec`, `proof`) start here. Where Airflow
answers is asked of Kubernetes; where no lasting address leads to it, a port is forwarded.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.settings import qualified
from cli.base.values import need
from cli.cloud.kubernetes import Kubernetes
from cli.cloud.protocol import Cloud
from cli.session import Session
from cli.stack import stack_config
from cli.stack.backends import Backend
from infra.contract import executors
from infra.contract.naming import Names
from infra.contract.outputs import Outputs
from infra.contract.pooling import PGBOUNCER
from infra.contract.tenancy import Tenancy

if TYPE_CHECKING:
    from cli.base.airflow import Airflow

DATABASE = "database"
SERVING = (*executors.COMPONENTS, PGBOUNCER)
"""Airflow's components, as the chart labels their pods."""

COMPONENTS = (*SERVING, DATABASE)
"""All of an environment's. The database of a shared environment is its base's."""

COMPONENT_LABEL = "app.kubernetes.io/component"


@dataclass(frozen=True)
class Live:
    """One deployed environment."""

    session: Session
    environment: Environment
    backend: Backend
    outputs: Outputs

    @property
    def cloud(self) -> Cloud:
        return self.session.cloud(self.environment)

    @property
    def shared(self) -> bool:
        # An `up` that was cut short has no outputs yet; it is known by its configuration.
        tenancy = self.outputs.tenancy or self.backend.plain().get(stack_config.TENANCY_KEY)
        return bool(tenancy == Tenancy.shared)

    @property
    def names(self) -> Names:
        return Names(
            self.environment.name,
            shared=self.shared,
            existing_server=bool(self.outputs.database_instance),
        )

    @cached_property
    def kubernetes(self) -> Kubernetes:
        """On its cluster, in its namespace."""
        return self.cloud.kubernetes(self.names.namespace, self.outputs)

    def require_own_database(self, verb: str, words: str = "") -> None:
        """UserError if no pod of its own can run its database."""
        if base := self.outputs.base:
            raise UserError(
                f'The database of "{self.environment.name}" is in the server of its base',
                "No pod of its own runs one.",
                f"./aerodrome {verb} --env {base} {DATABASE}{words}",
            )

    @cached_property
    def client(self) -> Callable[[str], Any]:
        """Makes boto3 clients for its cloud."""
        return self.cloud.client(self.outputs.region or None)

    @cached_property
    def addresses(self) -> tuple[str, ...]:
        """Where a browser finds its UI, the nearest first; none if only a forwarded port leads there."""
        return self.addresses_by(lambda name: self.kubernetes.find("service", name))

    def addresses_by(self, find: Callable[[str], Mapping[str, Any] | None]) -> tuple[str, ...]:
        """The same, with `find` to look for a Service by its name."""
        if not self.shared and (own := self.cloud.own_addresses()):
            return own
        name = need(self.outputs, Outputs.ui_service)
        service = find(name)
        if service is None:
            raise KitError(
                f'The Service "{name}" of "{self.environment.name}" is gone',
                "Somebody deleted it behind the stack's back.",
                f"./aerodrome up{self.session.same}",
            )
        return self.cloud.addresses(service)

    @contextmanager
    def ui(self) -> Iterator[str]:
        """An address of its UI that works while the block lasts."""
        if self.addresses:
            yield self.addresses[0]
            return
        target = f"service/{need(self.outputs, Outputs.ui_service)}"
        with self.kubernetes.kubectl.forwarded(target, int(self.outputs.ui_port)) as local:
            yield f"http://localhost:{local}"

    @contextmanager
    def flower(self) -> Iterator[str]:
        """An address of its Flower that works while the block lasts. UserError if it has none."""
        service = self.outputs.flower_service
        if not service:
            raise UserError(
                f'"{self.environment.name}" has no Flower',
                "Flower shows the workers and tasks of Celery.",
                f"./aerodrome config set executor CeleryExecutor{self.session.same}",
            )
        target = f"service/{service}"
        with self.kubernetes.kubectl.forwarded(target, int(self.outputs.flower_port)) as local:
            yield f"http://localhost:{local}"

    @contextmanager
    def airflow(self, patience: float) -> "Iterator[Airflow]":
        """Its Airflow, logged in as the administrator."""
        user = need(self.outputs, Outputs.admin_user)
        password = need(self.backend.config(), qualified("adminPassword"))
        with self.ui() as url, self.session.airflow(url, user, password, patience) as airflow:
            yield airflow

    def health(self) -> dict[str, str]:
        """Status of each of Airflow's components, or `error` with the reason why there is none."""
        if not self.outputs.ui_service:
            return {"error": "its deployment did not finish"}
        try:
            with self.ui() as url, self.session.airflow(url, "", "", 0.0) as airflow:
                return airflow.health()
        except KitError as error:
            return {"error": str(error.summary)}


def of(session: Session, environment: Environment) -> Live:
    """A deployed environment, also half-way. UserError if there is none, or its sandbox is not up."""
    cloud = session.cloud(environment)
    cloud.require()
    cloud.unlock()
    backend = session.backend(environment)
    if not backend.deployed():
        raise UserError(
            f'Environment "{environment.name}" is not deployed',
            f"It belongs to the git branch {environment.branch}." if environment.branch else "",
            f"./aerodrome up{session.same}",
        )
    return Live(session, environment, backend, backend.outputs())

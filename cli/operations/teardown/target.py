"""The environment that is to be destroyed, and how each part of it is reached.

Any part may be missing: the program, the branch, the configuration, the state, the cluster. What
is known of the others is enough; where nothing is known, there is still the cloud, by tag.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.settings import qualified
from cli.cloud.catalogue import find
from cli.cloud.kubernetes import Kubernetes
from cli.cloud.limits import Limits
from cli.cloud.ownership import of_cluster
from cli.cloud.protocol import Cloud, reached
from cli.cloud.resource import Client, Resource, Search
from cli.operations import existing_cluster
from cli.session import Session
from cli.stack import stack_config
from cli.stack.backends import Backend
from infra.contract import executors, existing_server
from infra.contract.naming import LABEL_ENVIRONMENT, TAG_BASE, Names
from infra.contract.outputs import Outputs
from infra.contract.tenancy import Tenancy


@dataclass
class Target:
    """The environment of one teardown."""

    session: Session
    environment: Environment
    backend: Backend
    cloud: Cloud
    client: Client
    region: str
    outputs: Outputs = field(default_factory=lambda: Outputs({}))
    plain: Mapping[str, str] = field(default_factory=dict)
    stays: list[str] = field(default_factory=list)
    """What is left on purpose, or because nothing can take it away any more, where no inventory looks."""

    @property
    def name(self) -> str:
        return self.environment.name

    @property
    def limits(self) -> Limits:
        return self.session.limits

    @cached_property
    def base(self) -> str:
        """The base of a shared environment; empty for a dedicated one."""
        tenancy = self.outputs.tenancy or self.plain.get(stack_config.TENANCY_KEY)
        if tenancy == Tenancy.dedicated:
            return ""
        if tenancy == Tenancy.shared:
            return self.outputs.base or self.plain.get(stack_config.BASE_KEY, "")
        tagged = (resource.tags.get(TAG_BASE, "") for resource in self.found())
        return next((base for base in tagged if base), self.environment.base)

    @property
    def shared(self) -> bool:
        return bool(self.base)

    @property
    def names(self) -> Names:
        return Names(self.name, self.shared, existing_server=bool(self.database_instance))

    @property
    def database_instance(self) -> str:
        """The RDS instance that was there before it, and has its database; empty if that is elsewhere."""
        if self.shared:
            return ""
        # An `up` that was cut short has no outputs yet.
        configured = self.plain.get(qualified(existing_server.INSTANCE), "")
        return self.outputs.database_instance or str(configured)

    @property
    def protected(self) -> bool:
        """Whether its data was meant to outlive it."""
        configured = self.plain.get(qualified("protect")) == "true"
        return configured or self.outputs.protect

    @property
    def executor(self) -> executors.Executor:
        """What runs its tasks."""
        configured = self.plain.get(qualified("executor"), executors.DEFAULT)
        # Of a configuration that was edited by hand, anything may be true.
        return executors.executor(executors.DEFAULT if executors.check(configured) else configured)

    @property
    def of_branch(self) -> bool:
        """Whether `up` made its configuration, so that it goes with it."""
        branch = self.plain.get(stack_config.BRANCH_KEY) or self.environment.branch
        return self.shared or bool(branch)

    def found(self, services: Collection[str] | None = None) -> list[Resource]:
        """What the cloud has of it now."""
        return find(Search(self.client, self.name, self.region), services)

    @cached_property
    def cluster_exists(self) -> bool:
        """Whether the cluster that it lives in is there: Pulumi signs in through EKS, in the sandbox too."""
        from cli.cloud.eks import exists

        return exists(self.client, self.cluster)

    @cached_property
    def cluster(self) -> str:
        return self.outputs.cluster_name or existing_cluster.configured(
            self.session, self.name, self.base, self.plain
        )

    @property
    def foreign(self) -> bool:
        """Whether that is neither the environment's own nor its base's, but somebody else's."""
        return not of_cluster(self.cluster)

    @property
    def guest(self) -> bool:
        """Whether it stands in somebody else's by itself, and not on a base that does."""
        return self.foreign and not self.shared

    def spaces(self, kubernetes: Kubernetes) -> list[str] | None:
        """The namespaces that are its own; None if all of the cluster is."""
        if self.shared:
            return [self.names.namespace]
        if not self.foreign:
            return None
        found = kubernetes.objects("namespaces", selector=f"{LABEL_ENVIRONMENT}={self.name}")
        return sorted(str(item["metadata"]["name"]) for item in found)

    @cached_property
    def kubernetes(self) -> Kubernetes | None:
        """On the cluster that it lives in; None if that is gone. A sandbox's Kubernetes outlives its EKS cluster."""
        if not self.cloud.keeps_kubernetes and not self.cluster_exists:
            return None
        return self.cloud.kubernetes(self.names.namespace, self.outputs, self.cluster, self.region)

    def has_state(self) -> bool:
        return self.backend.deployed()


def target_of(session: Session, environment: Environment, region: str = "") -> Target:
    """UserError if nothing says where the environment's cloud is."""
    cloud, backend = session.cloud(environment), session.backend(environment)
    plain = backend.plain()
    client, region = reached(cloud, region, plain)
    return Target(session, environment, backend, cloud, client, region, _outputs(backend), plain)


def _outputs(backend: Backend) -> Outputs:
    """Empty where the state cannot be read to its end: the passphrase may be lost."""
    try:
        return backend.outputs()
    except UserError:
        raise
    except KitError:
        return Outputs({})

"""What a changed configuration would destroy of a deployed environment: named before anything is done.

A preview lists such steps among a hundred others, and some it cannot know: that a volume goes with its
StatefulSet is Kubernetes' doing. Here the state's own words are held against the configuration.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.settings import REGION_KEY, qualified
from cli.stack.backends import Backend, Found, Outcome
from cli.stack.pending import RELEASE
from infra.contract.clusters import CLUSTER
from infra.contract.existing_server import INSTANCE as INSTANCE_KEY
from infra.contract.existing_server import RELEASE_PARAMETER
from infra.contract.networks import VPC
from infra.contract.outputs import Outputs
from infra.contract.settings import SETTINGS
from infra.contract.tenancy import Tenancy

INSTANCE = "aws:rds/instance:Instance"
NETWORK = "aws:ec2/vpc:Vpc"
OWN_CLUSTER = "aws:eks/cluster:Cluster"
TIE = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
SERVER = "aws:ec2/instance:Instance"

IN_CLUSTER = "in-cluster"
RDS = "rds"


@dataclass(frozen=True)
class Loss:
    """Data that goes when the environment is brought to its configuration."""

    setting: str
    text: str


@dataclass(frozen=True)
class DeployedState:
    """What a stack's state says of an environment, beside what its configuration says now."""

    resources: Sequence[Found]
    outputs: Outputs
    plain: Mapping[str, str]

    def configured(self, key: str) -> str:
        """A setting as text; its default if it is not set."""
        default = SETTINGS[key].default
        text = str(default).lower() if isinstance(default, bool) else str(default)
        return self.plain.get(qualified(key), text)

    def inputs(self, type_: str) -> Mapping[str, Any]:
        """Those of the one resource of a type; empty if there is none."""
        found = (each.inputs for each in self.resources if each.type == type_)
        return next(found, {})

    @property
    def postgres(self) -> Mapping[str, Any]:
        """The chart's values of a database in the cluster; empty if it has none."""
        for each in self.resources:
            if each.type == RELEASE:
                values: Mapping[str, Any] = each.inputs.get("values", {}).get("postgres") or {}
                if values.get("enabled"):
                    return values
        return {}


def deployed(backend: Backend) -> DeployedState | None:
    """None where nothing is deployed yet: then there is nothing to lose."""
    resources = backend.resources()
    return DeployedState(resources, backend.outputs(), backend.plain()) if resources else None


def check(environment: Environment, backend: Backend, *, agreed: bool) -> list[Loss]:
    """What will be lost. UserError if nobody has agreed to that, or if it cannot be done at all."""
    there = deployed(backend)
    if there is None:
        return []
    refuse_impossible(environment, there)
    losses = list(of(there))
    if losses and not agreed:
        raise UserError(
            f'The configuration of "{environment.name}" would destroy data',
            "\n".join(["Nothing was changed.", *(loss.text for loss in losses)])
            + "\nCopy first what you want to keep (docs/database.md), or put the settings back. To lose it:",
            f"./aerodrome up --env {environment.name} --discard-data",
        )
    return losses


def check_steps(environment: Environment, planned: Outcome, *, agreed: bool) -> None:
    """UserError if a preview shows that something with data goes, and nobody has agreed to that."""
    if planned.losing and not agreed:
        raise UserError(
            f'What is planned for "{environment.name}" would destroy data',
            "\n".join(["Nothing was changed.", *planned.losing]),
            f"./aerodrome up --env {environment.name} --discard-data",
        )


def of(there: DeployedState) -> Iterator[Loss]:
    """The losses, each with the setting that brings it."""
    wanted = there.configured("database")
    if there.postgres and wanted != IN_CLUSTER:
        yield Loss(
            "database",
            f"database {wanted}: the database in the cluster goes with its volume: all DAG runs, connections, "
            "variables and accounts, and those of every branch on it.",
        )
    if there.inputs(INSTANCE) and wanted != RDS:
        yield Loss(
            "database",
            f"database {wanted}: the RDS instance is deleted: all DAG runs, connections, variables and "
            "accounts, and those of every branch on it.",
        )
    network = there.inputs(NETWORK).get("cidrBlock")
    if network and network != there.configured("vpcCidr"):
        yield Loss(
            "vpcCidr",
            f"vpcCidr {there.configured('vpcCidr')}: the network {network} is replaced, and with it the cluster, "
            "its volumes and everything that runs in it.",
        )
    if there.inputs(SERVER) and there.configured("rancherEnabled") == "false":
        yield Loss("rancherEnabled", "rancherEnabled false: the Rancher server goes with its data.")


def refuse_impossible(environment: Environment, there: DeployedState) -> None:
    """UserError for what no step of Pulumi's can do to a living environment."""
    _refuse_move(environment, there)
    if not _refuse_other_cluster(environment, there):
        _refuse_other_network(environment, there)
    _refuse_other_server(environment, there)
    asked = _number(there.configured("databaseStorageGb"))
    have = _disk(there)
    if asked and have and asked < have:
        raise UserError(
            f"databaseStorageGb {asked} is less than the {have} GB that the database has",
            "Neither EBS nor RDS makes a disk smaller. Nothing was changed.",
            f"./aerodrome config set databaseStorageGb {have} --env {environment.name}",
        )


def _refuse_move(environment: Environment, there: DeployedState) -> None:
    outputs = there.outputs
    now = {
        "environment": (outputs.environment, there.configured("environment")),
        "tenancy": (outputs.tenancy, there.configured("tenancy")),
        "base": (outputs.base, there.configured("base")),
        # Without a key the region is what AWS' own variables say.
        REGION_KEY: (outputs.region, there.plain.get(REGION_KEY, outputs.region)),
    }
    for key, (was, asked) in now.items():
        if was and was != asked:
            raise UserError(
                f'"{environment.name}" is deployed with {key} {was}, and the configuration says {asked or "none"}',
                "All of it would be deleted and made again elsewhere. Deploy another environment beside it, or "
                "put the setting back. Nothing was changed.",
                f"./aerodrome config set {key} {was} --env {environment.name}",
            )


def _refuse_other_cluster(environment: Environment, there: DeployedState) -> bool:
    """Whether it is, and stays, in a cluster that is somebody else's. UserError if it would be made anew in another one. An environment that shares
    another is where its base is, which its own settings do not say."""
    if there.configured("tenancy") == Tenancy.shared:
        return False
    own = bool(there.inputs(OWN_CLUSTER))
    ties = (str(one.inputs.get(CLUSTER, "")) for one in there.resources if one.type == TIE)
    was, asked = "" if own else next(ties, ""), there.configured(CLUSTER)
    if not (own or was) or was == asked:
        return bool(was)
    raise _elsewhere(
        environment,
        (CLUSTER, was, asked),
        f"is deployed in {f'the cluster {was}' if was else 'a cluster of its own'}",
        "a cluster of its own",
        "All that runs in it would be deleted, and its database with it, and made again elsewhere.",
    )


def _refuse_other_network(environment: Environment, there: DeployedState) -> None:
    """Between a network of its own and one that is there already, or two of these, all of it would be replaced."""
    own = bool(there.inputs(NETWORK))
    given = next((str(one.inputs[VPC]) for one in there.resources if one.inputs.get(VPC)), "")
    was, asked = "" if own else given, there.configured(VPC)
    if not (own or given) or was == asked:
        return
    raise _elsewhere(
        environment,
        (VPC, was, asked),
        f"is deployed in {was or 'a VPC of its own'}",
        "a VPC of its own",
        "The cluster would be deleted and made again elsewhere, and with it all that runs in it.",
    )


def existing_server(resources: Sequence[Found]) -> Mapping[str, Any]:
    """What the deployed release that made a database in an instance that was there knows of it; empty if there is none."""
    for each in resources:
        server = (
            each.inputs.get("values", {}).get(RELEASE_PARAMETER) if each.type == RELEASE else {}
        )
        if server and server.get("instance"):
            return dict(server)
    return {}


def _refuse_other_server(environment: Environment, there: DeployedState) -> None:
    """Between a database of its own and one in an instance that is there already, or between two of these, nothing moves the data."""
    was, asked = (
        existing_server(there.resources).get("instance", ""),
        there.configured(INSTANCE_KEY),
    )
    own = there.postgres or there.inputs(INSTANCE)
    if was == asked or not (was or own):
        return
    raise _elsewhere(
        environment,
        (INSTANCE_KEY, was, asked),
        f"has its database in {f'the RDS instance {was}' if was else 'a server of its own'}",
        "one of its own",
        "Its database would be dropped, with those of all branches, and an empty one made elsewhere.",
    )


def _elsewhere(
    environment: Environment, setting: tuple[str, str, str], now: str, own: str, lost: str
) -> UserError:
    """That something of a living environment would be made anew in another place. `setting`: its key, what is deployed by it and what it says,
    both empty where that is the environment's own; `now` and `own` say so for people."""
    key, was, asked = setting
    return UserError(
        f'"{environment.name}" {now}, and the configuration says {f"{key} {asked}" if asked else f"that it makes {own}"}',
        f"{lost} Deploy another environment beside it, or put the setting back. Nothing was changed.",
        f"./aerodrome {f'config set {key} {was}' if was else f'config rm {key}'} --env {environment.name}",
    )


def _disk(there: DeployedState) -> int:
    """The size of the database's disk in GB; 0 if it is not this environment's."""
    size = str(there.postgres.get("storage", {}).get("size", ""))
    if there.configured("database") == IN_CLUSTER:
        return _number(size.removesuffix("Gi"))
    # Pulumi writes numbers as floats.
    return _number(str(there.inputs(INSTANCE).get("allocatedStorage", "")).removesuffix(".0"))


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0

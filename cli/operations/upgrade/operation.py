"""`upgrade`: looks at the cluster, sets the version, deploys as `up` does, and looks again.

What it knows is the configured version and what the cluster is at, so the same command goes on after an interruption
anywhere: EKS is waited for where it is still at work, and Pulumi compares with what is really there.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final

from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.phases import Phases
from cli.base.settings import DEFAULT_REGION, REGION_KEY, qualified
from cli.cloud import eks_versions
from cli.cloud.eks_versions import EksVersions
from cli.operations import deployment, live, losses
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.deployment import Deployed, UpOptions
from cli.operations.live import Live
from cli.operations.preflight.kubernetes_version import SETTING
from cli.operations.upgrade import findings, kept_tasks, plan, refusals, world
from cli.operations.upgrade.plan import DONE, UpgradePlan
from cli.session import Session
from cli.stack.backends import Outcome
from infra.contract.naming import Names

DOING: Final = "upgrade"
PHASES: Final = 4
ADDON: Final = "aws:eks/addon:Addon"
KEY: Final = qualified(SETTING)


@dataclass(frozen=True)
class UpgradeOptions:
    """The options of `upgrade`."""

    agree: Callable[[UpgradePlan, Outcome], None]
    """Shown what would change; raises UserError if that is not wanted."""

    show: Callable[[UpgradePlan], None]
    """Tells what was found, before anything is decided."""

    force: bool = False
    """Whether to go on in spite of what is in the way."""


@dataclass(frozen=True)
class Upgraded:
    """The result of `upgrade`."""

    plan: UpgradePlan
    deployed: Deployed | None = None
    """None if there was nothing to do."""

    following: tuple[str, ...] = ()
    """Karpenter's nodes that follow in time."""


def examine(session: Session, environment: Environment, asked: str) -> UpgradePlan:
    """All that is known before. UserError for what cannot be; nothing is changed."""
    found = _found(session, environment, asked)
    return _plan(found, asked)


def upgrade(
    session: Session,
    environment: Environment,
    asked: str,
    phases: Phases,
    options: UpgradeOptions,
) -> Upgraded:
    """Takes a cluster to a version. UserError if that is refused, or not wanted; KitError if something stayed behind."""
    found = _found(session, environment, asked)
    planned = deployment.plan(session, environment, UpOptions())
    with deployment.alone_at_work(session, planned, DOING):
        with phases.phase("what is there"):
            _settled(found, asked)
            # Of a run that was killed.
            kept_tasks.lift(found.kubernetes)
            looked = _plan(found, asked)
        options.show(looked)
        if looked.state == DONE:
            return Upgraded(looked, following=_names(looked))
        if looked.blocking and not options.force:
            raise _in_the_way(found, looked)
        with phases.phase("what will change"):
            outcome = _previewed(found, looked)
        options.agree(looked, outcome)
        # What EKS was asked for by a run that was cut short is in no state.
        how = UpOptions(refresh=looked.drifted)
        with _tasks_kept(found, looked), _configured(found, asked):
            deployed = deployment.deploy_again(session, planned, phases, f"Kubernetes {asked}", how)
        following = _seen(found, asked)
    return Upgraded(looked, deployed, following)


def _found(session: Session, environment: Environment, asked: str) -> Live:
    """The environment, if its version may be asked about at all."""
    refusals.check_written(asked)
    found = live.of(session, environment)
    refusals.check_environment(found, asked)
    eks = _eks(found)
    region = found.outputs.region or found.backend.plain().get(REGION_KEY, DEFAULT_REGION)
    refusals.check_version(found, found.client, region, asked, eks.version)
    return found


def _eks(found: Live) -> EksVersions:
    cluster = Names(found.environment.name).cluster
    known = eks_versions.versions_of(found.client, cluster)
    if known is None or known.status == "DELETING":
        raise UserError(
            f"EKS has no cluster {cluster}",
            f'That of "{found.environment.name}" was deleted behind the stack\'s back. Nothing was changed.',
            f"./aerodrome up --refresh{found.session.same}",
        )
    return known


def _world(found: Live, asked: str) -> world.World:
    own = {
        str(each.inputs.get("addonName", ""))
        for each in found.backend.resources()
        if each.type == ADDON
    }
    return world.look(_eks(found), found.client, found.kubernetes, asked, own)


def _plan(found: Live, asked: str) -> UpgradePlan:
    there, kubernetes = _world(found, asked), found.kubernetes
    pods = kubernetes.objects("pods", everywhere=True)
    name = found.environment.name
    return UpgradePlan(
        name,
        str(RequestedSettings(found.backend.plain(), {}).value(SETTING)),
        there,
        findings.find(found.client, kubernetes, name, there, pods),
        plan.running_tasks(pods),
        plan.branches(kubernetes, name),
    )


def _settled(found: Live, asked: str) -> None:
    """Waits for EKS where it is at work: it refuses a second change until it is through with the first."""
    patience, told = found.session.limits.eks, ""
    give_up = time.monotonic() + patience.limit
    while busy := _eks(found).at_work:
        if time.monotonic() >= give_up:
            raise KitError(
                f"EKS is still at work on {', '.join(busy)} after {patience.limit:.0f} s",
                "What it was asked for goes on by itself. Nothing was changed by this run.",
                f"./aerodrome upgrade --kubernetes {asked}{found.session.same}",
            )
        if told != (told := ", ".join(busy)):
            found.session.console.report(f"EKS is at work on {told}: waiting until it is through")
        time.sleep(patience.pause)


def _in_the_way(found: Live, looked: UpgradePlan) -> UserError:
    first = looked.blocking[0]
    again = f"./aerodrome upgrade --kubernetes {looked.target}{found.session.same} --force"
    texts = [finding.text for finding in looked.blocking]
    return UserError(
        f'{len(texts)} thing(s) are in the way of Kubernetes {looked.target} in "{found.environment.name}"',
        "\n".join([*texts, f"Nothing was changed. To go on in spite of it: {again}"]),
        first.command,
    )


def _previewed(found: Live, looked: UpgradePlan) -> Outcome:
    """What a deployment of the version would do. UserError if it would do something else, too, or data went."""
    environment, session = found.environment, found.session
    with found.backend.dry_run() as trial:
        if not looked.drifted:
            before = trial.preview(session.console.stderr)
            if before.changed:
                raise refusals.other_changes(
                    environment, before.changed, looked.target, session.same
                )
        trial.set_plain({KEY: looked.target})
        outcome = trial.preview(session.console.stderr, refresh=looked.drifted)
    losses.check_steps(environment, outcome, agreed=False)
    return outcome


@contextmanager
def _configured(found: Live, asked: str) -> Iterator[None]:
    """Writes the version down, for this run and those that go on. One that is refused, and so has changed nothing, leaves the
    configuration as it was."""
    backend = found.backend
    before = backend.plain().get(KEY)
    backend.set_plain({KEY: asked})
    try:
        yield
    except UserError:
        # What comes after the deployment can be the user's business, too: then the cluster is at the version.
        if before != asked and _eks(found).version != asked:
            if before is None:
                backend.remove_config(KEY)
            else:
                backend.set_plain({KEY: before})
        raise


def _tasks_kept(found: Live, looked: UpgradePlan) -> AbstractContextManager[None]:
    session = found.session
    if not looked.world.moves_nodes:
        return nullcontext()
    return kept_tasks.kept(
        found.kubernetes, looked.target, session.limits.tasks, session.console.report
    )


def _seen(found: Live, asked: str) -> tuple[str, ...]:
    """Looks whether all of it has come to the version, and names Karpenter's nodes that have not. KitError if more is behind."""
    patience = found.session.limits.joined
    give_up = time.monotonic() + patience.limit
    while behind := (there := _world(found, asked)).behind():
        if time.monotonic() >= give_up:
            raise KitError(
                f'Not all of "{found.environment.name}" has come to Kubernetes {asked}',
                "\n".join(behind),
                f"./aerodrome upgrade --kubernetes {asked}{found.session.same}",
            )
        time.sleep(patience.pause)
    return tuple(node.name for node in there.karpenters)


def _names(looked: UpgradePlan) -> tuple[str, ...]:
    return tuple(node.name for node in looked.world.karpenters)

"""`down` of an environment: named steps in one order, each in its time box, and then the proof.

Whatever has a controller in the cluster goes while that controller lives; the engine comes after,
while the network still stands; what no state knew of is swept last. Each step looks at what is
there and does the rest, so a run that was killed anywhere is finished by the next one. Only when
cloud and cluster say that nothing is left is the stack removed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.lease import coming_up, held
from cli.base.lease_stores import Store
from cli.base.phases import Phases
from cli.operations.teardown import (
    cluster,
    database_hook,
    drain,
    engine,
    existing_database,
    leftovers,
    metric_series,
    rancher,
)
from cli.operations.teardown.branches import branches_of
from cli.operations.teardown.custom_resources import custom_resources
from cli.operations.teardown.report import Report, StepResult
from cli.operations.teardown.target import Target, target_of
from cli.session import Session
from cli.stack import stack_config
from cli.stack.backends import Outcome


@dataclass(frozen=True)
class DownOptions:
    """The options of `down`."""

    keep_sandbox: bool = False
    with_branches: bool = False
    """Also the environments that stand on it, first."""

    yes_destroy: str = ""
    """The name of a protected environment that may go, with its data."""

    agree: Callable[[Target], None] = lambda target: None
    """Shown what would go; raises UserError if that is not wanted."""

    region: str = ""
    """Where on AWS it was found; empty: its configuration says it."""

    with_base: bool = False
    """It goes because its base does, in the same run."""


@dataclass(frozen=True)
class TornDown:
    """The result of `down`."""

    environment: str
    outcome: Outcome | None = None
    forgotten: bool = False
    """The sandbox was gone, and the emulated cloud with it: only the state was left."""

    steps: list[StepResult] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    """What stays because somebody wanted it to outlive the environment."""

    branches: list["TornDown"] = field(default_factory=list)
    sandbox_kept: str = ""
    """Why the sandbox is still up; empty if it is not."""


@dataclass(frozen=True)
class TeardownStep:
    """One step of a teardown. The failure of one that may fail is reported, and the rest runs: the inventory decides."""

    name: str
    run: Callable[[Target, Report], None]


def _prepare_database(target: Target, report: Report) -> None:
    """What drops a database in another's server is made able to."""
    database_hook.renew(target, report)
    existing_database.settle(target, report)


BEFORE = (
    TeardownStep("drain", drain.drain),
    TeardownStep("rancher", rancher.deregister),
    TeardownStep("load balancers", cluster.load_balancers),
    TeardownStep("custom resources", custom_resources),
    TeardownStep("volumes", cluster.volumes),
    TeardownStep("node pools", cluster.node_pools),
    TeardownStep("data", engine.release_data),
    TeardownStep("database hook", _prepare_database),
)
"""While the controllers live."""

AFTER = ("engine", "cluster", "cloud", "inventory")


def phases_of(session: Session, environment: Environment, options: DownOptions) -> int:
    """How many steps there will be, for the count; the sandbox's end is one more."""
    end = 0 if options.keep_sandbox else session.cloud(environment).phases
    return len(BEFORE) + len(AFTER) + end


def tear_down(
    session: Session, environment: Environment, phases: Phases, options: DownOptions = DownOptions()
) -> TornDown:
    """Destroys an environment. KitError that names what is left, if anything is."""
    cloud = session.cloud(environment)
    cloud.unlock()
    if cloud.trouble():
        return _forget(session, environment, phases, options)
    target = target_of(session, environment, options.region)
    _refuse_protected(target, options)
    options.agree(target)
    lease = cloud.lease_store(target.region)
    with held(environment, "down", session.console.report, lease) as holding:
        names = _checked_branches(target, lease, options)
        each = _for_branch(options)
        phases.total += sum(phases_of(session, Environment(name), each) for name in names)
        branches = [tear_down(session, Environment(name), phases, each) for name in names]
        holding.begun = True
        report = Report(phases, environment.name if names or options.with_base else "")
        outcome = _run(target, report, options)
        left = [resource.label for resource in leftovers.kept(target)] if target.protected else []
        _remove(target)
    kept_up = cloud.end(phases, keep=options.keep_sandbox)
    return TornDown(
        environment.name,
        outcome,
        steps=report.steps,
        kept=[*target.stays, *left],
        branches=branches,
        sandbox_kept=kept_up,
    )


def _run(target: Target, report: Report, options: DownOptions) -> Outcome | None:
    for step in BEFORE:
        with report.step(step.name):
            try:
                step.run(target, report)
            except UserError:
                raise
            except KitError as error:
                report.note(f"{error.summary}: {error.detail}" if error.detail else error.summary)
    outcome, failure = None, None
    with report.step("engine"):
        try:
            outcome = engine.destroy(target, report)
        except UserError:
            raise
        except KitError as error:
            failure = error
            report.note(f"the engine failed: {error.summary}")
    if failure is not None:
        existing_database.require_dropped(target, failure)
    with report.step("cluster"):
        leftovers.in_cluster(target, report)
        if not options.with_base:
            metric_series.remove(target, report)
    with report.step("cloud"):
        left = leftovers.in_cloud(target, report)
    with report.step("inventory"):
        remnants = leftovers.inventory(target, left)
        if remnants:
            raise _left(target, remnants, failure)
        if failure is not None:
            raise failure
        report.say(f'nothing of "{target.name}" is left')
    return outcome


def _left(target: Target, remnants: list[leftovers.Remnant], failure: KitError | None) -> KitError:
    lines = [line for item in remnants for line in item.lines()]
    if failure is not None:
        lines = [f"The engine failed: {failure.summary}", *failure.detail.splitlines(), "", *lines]
    where = "; the sandbox is kept" if target.cloud.phases else ""
    return KitError(
        f'{len(remnants)} resource(s) of "{target.name}" are left, and the stack is kept{where}',
        "\n".join(lines),
        f"./aerodrome down --env {target.name}",
    )


def _refuse_protected(target: Target, options: DownOptions) -> None:
    if target.protected and options.yes_destroy != target.name:
        raise UserError(
            f'Environment "{target.name}" is protected',
            "Its configuration says `protect`: its logs, images and database are to outlive it.\n"
            "Nothing was changed. To destroy it with all its data, name it:",
            f"./aerodrome down --env {target.name} --yes-destroy {target.name}",
        )


def _checked_branches(target: Target, lease: Store | None, options: DownOptions) -> list[str]:
    for name, busy in coming_up(target.environment, lease):
        raise UserError(
            f'`up` is running on environment "{name}", whose base is "{target.name}"',
            f"It is {busy}.\nWait until it has finished. Nothing was changed.",
            f"./aerodrome down --env {target.name} --with-branches",
        )
    names = branches_of(target)
    if names and not options.with_branches:
        raise UserError(
            f'Environment "{target.name}" carries {", ".join(names)}',
            "They live in its cluster. Destroy them first, or all of them together:",
            f"./aerodrome down --env {target.name} --with-branches",
        )
    return names


def _for_branch(options: DownOptions) -> DownOptions:
    return DownOptions(
        keep_sandbox=True, yes_destroy=options.yes_destroy, region=options.region, with_base=True
    )


def _remove(target: Target) -> None:
    target.backend.remove(config=target.of_branch)
    target.environment.record_file.unlink(missing_ok=True)


def _forget(
    session: Session, environment: Environment, phases: Phases, options: DownOptions
) -> TornDown:
    """Forgets the state of an environment whose sandbox, and so its emulated cloud, is gone."""
    backend = session.backend(environment)
    with held(environment, "down", session.console.report), phases.phase("forget"):
        forgotten = backend.deployed()
        if forgotten:
            backend.forget()
        backend.remove(config=bool(backend.plain().get(stack_config.BRANCH_KEY)))
        environment.record_file.unlink(missing_ok=True)
    kept = session.cloud(environment).end(phases, keep=options.keep_sandbox)
    return TornDown(environment.name, forgotten=forgotten, sandbox_kept=kept)

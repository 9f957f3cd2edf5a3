"""`aerodrome upgrade`: a cluster's next version of Kubernetes."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.base.environments import Environment
from cli.base.phases import Phases
from cli.commands.options import Json, Yes, on_environment
from cli.session import Session
from infra.contract import versions

if TYPE_CHECKING:
    from cli.operations.upgrade.operation import Upgraded
    from cli.operations.upgrade.plan import UpgradePlan
    from cli.stack.backends import Outcome


def _complete_version(incomplete: str) -> list[str]:
    return [version for version in versions.managed() if version.startswith(incomplete)]


@on_environment
def upgrade(
    ctx: typer.Context,
    kubernetes: Annotated[
        str,
        typer.Option(
            "--kubernetes",
            metavar="1.NN",
            help="The version of Kubernetes: the next minor one.",
            autocompletion=_complete_version,
        ),
    ],
    environment: Environment,
    check: Annotated[
        bool, typer.Option("--check", help="Only look: what would change, and what is in the way.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Go on in spite of what is in the way.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Upgrade the cluster of an environment to the next minor version of Kubernetes.

    First the cluster is looked at: APIs in use that the version removes, budgets that hold pods on their nodes,
    nodes that are too old, tasks that run. Then control plane, nodes and add-ons change, in this order, and
    are looked at again. Branches on the environment keep running. The command can be repeated, and resumes after an
    interruption.

    Exit code 2 if something is in the way; nothing was changed then.

    \b
    Example:
      aerodrome upgrade --kubernetes 1.36 --env dev --check
      aerodrome upgrade --kubernetes 1.36 --env dev
      aerodrome upgrade --kubernetes 1.36 --env dev --yes --json
    """
    # Not earlier: `--help` loads this module.
    from cli.operations.upgrade import operation
    from cli.operations.upgrade.operation import UpgradeOptions
    from cli.operations.upgrade.plan import DONE

    session: Session = ctx.obj
    console = session.console
    if check:
        found = operation.examine(session, environment, kubernetes)
        blocked = bool(found.blocking) and found.state != DONE
        told = found.data() | ({"result": "blocked"} if blocked else {})
        console.result(told, lambda: _show_plan(session, found))
        if blocked:
            raise typer.Exit(2)
        return

    def show(plan: "UpgradePlan") -> None:
        for line in plan.lines():
            console.report(line)

    def agree(plan: "UpgradePlan", outcome: "Outcome") -> None:
        console.note(f"planned: {outcome.summary()}")
        if session.cloud(environment).asks and not yes:
            console.agree(
                f'Upgrade Kubernetes of "{environment.name}" from {plan.world.eks.version} to {plan.target}?',
                "Nothing was changed.",
                f"./aerodrome upgrade --kubernetes {kubernetes}{session.same} --yes",
            )

    phases = Phases(console, total=operation.PHASES)
    options = UpgradeOptions(agree, show, force)
    done = operation.upgrade(session, environment, kubernetes, phases, options)
    data: dict[str, Any] = done.plan.data() | {
        "changed": done.deployed is not None,
        "changes": dict(done.deployed.outcome.changes) if done.deployed else {},
        "proof": done.deployed.proof if done.deployed else {},
        "following": list(done.following),
        "phases": phases.data(),
    }
    console.result(data, lambda: _show(session, done, phases))


def _show_plan(session: Session, plan: "UpgradePlan") -> None:
    from cli.operations.upgrade.plan import DONE, UNFINISHED

    console = session.console
    if plan.state == DONE:
        console.line(f"nothing to do: all of it is at Kubernetes {plan.target}", "bold green")
        return
    for line in plan.lines():
        console.line(line)
    for finding in plan.findings:
        if finding.command:
            console.line(f"    {finding.command}", "bold")
    if plan.state == UNFINISHED:
        console.line(f"it has begun: {'; '.join(plan.world.unfinished())}")
    if not plan.blocking:
        console.line()
        console.line(f"    ./aerodrome upgrade --kubernetes {plan.target}{session.same}", "bold")


def _show(session: Session, done: "Upgraded", phases: Phases) -> None:
    console, plan = session.console, done.plan
    if done.deployed is None:
        console.line(f"nothing to do: all of it is at Kubernetes {plan.target}", "bold green")
    else:
        console.line(f"Kubernetes {plan.target}: control plane, nodes and add-ons", "bold green")
    if done.following:
        console.line(
            f"Karpenter's nodes follow when their last task has ended: {', '.join(done.following)}"
        )
    console.line()
    phases.show()

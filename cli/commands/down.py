"""`aerodrome down`: destroys an environment, and verifies that nothing is left."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.base.environments import Environment
from cli.base.phases import Phases
from cli.commands.options import Json, Yes, on_environment
from cli.session import Session

if TYPE_CHECKING:
    from cli.operations.teardown.operation import TornDown
    from cli.operations.teardown.target import Target


@on_environment
def down(
    ctx: typer.Context,
    environment: Environment,
    with_branches: Annotated[
        bool,
        typer.Option("--with-branches", help="Destroy the environments that share this one first."),
    ] = False,
    yes_destroy: Annotated[
        str,
        typer.Option(
            "--yes-destroy",
            metavar="NAME",
            help="Confirm the name of a protected environment: its data is destroyed, too.",
        ),
    ] = "",
    drain: Annotated[
        float | None,
        typer.Option(
            "--drain",
            metavar="SECONDS",
            min=0,
            help="How long to wait for running tasks [default: 60].",
        ),
    ] = None,
    keep_sandbox: Annotated[
        bool, typer.Option("--keep-sandbox", help="Keep the sandbox running for the next `up`.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Destroy an environment, and verify that nothing is left.

    Running tasks are waited for. Then every resource is deleted in order, including those that
    controllers created outside of the state. At the end cloud and cluster are searched: whatever is
    left is listed, and the stack is kept. The command can be repeated, and resumes after an
    interruption.

    A branch's configuration is deleted with its environment; that of other environments is kept. The
    sandbox stops with the last environment on it.

    \b
    Example:
      aerodrome down
      aerodrome down --branch feature/x
      aerodrome down --drain 900
      aerodrome down --env prod --yes-destroy prod
    """
    from cli.operations.teardown.operation import DownOptions, phases_of, tear_down

    session: Session = ctx.obj
    if drain is not None:
        session.limits = replace(session.limits, drain=drain)

    def agree(target: "Target") -> None:
        if not session.cloud(environment).asks or yes or yes_destroy == environment.name:
            return
        session.console.agree(
            f'Destroy everything of environment "{environment.name}" on AWS?',
            "Nothing was changed.",
            f"./aerodrome down --env {environment.name} --yes",
        )

    options = DownOptions(keep_sandbox, with_branches, yes_destroy, agree)
    phases = Phases(session.console, total=phases_of(session, environment, options))
    done = tear_down(session, environment, phases, options)
    data = _data(done) | {"phases": phases.data()}
    session.console.result(data, lambda: _show(session, environment, done, phases))


def _data(done: "TornDown") -> dict[str, Any]:
    return {
        "environment": done.environment,
        "changes": dict(done.outcome.changes) if done.outcome else {},
        "forgotten": done.forgotten,
        "steps": [step.data() for step in done.steps],
        "branches": [_data(branch) for branch in done.branches],
        "inventory": [],
        "kept": done.kept,
        "sandboxKept": done.sandbox_kept,
    }


def _show(session: Session, environment: Environment, done: "TornDown", phases: Phases) -> None:
    console = session.console
    for branch in done.branches:
        console.line(f'environment "{branch.environment}", which shared it, is destroyed, too')
    if done.forgotten:
        console.line("the sandbox was gone, and its cloud with it: the state is removed")
    elif done.outcome:
        console.line(f"destroyed: {done.outcome.summary()}")
    elif swept := [item for step in done.steps for item in step.deleted]:
        console.line(f"there was no state; {len(swept)} leftover resource(s) are deleted")
    else:
        console.line(f'environment "{environment.name}" was not deployed')
    console.line(f'inventory of "{environment.name}": empty', "bold green")
    for item in done.kept:
        console.line(f"kept on purpose: {item}", "bold")
    if done.sandbox_kept:
        console.line(f"the sandbox is kept: {done.sandbox_kept}")
    elif session.cloud(environment).phases:
        console.line("the sandbox is removed: nothing of it is left on this machine", "bold green")
    console.line()
    phases.show()

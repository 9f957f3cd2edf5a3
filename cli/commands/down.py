"""`aerodrome down`: everything away, and the proof that nothing is left."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.base.environments import Environment
from cli.base.errors import UserError
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
        bool, typer.Option("--with-branches", help="First those that stand on it.")
    ] = False,
    yes_destroy: Annotated[
        str,
        typer.Option(
            "--yes-destroy", metavar="NAME", help="A protected environment: its data goes too."
        ),
    ] = "",
    drain: Annotated[
        float | None,
        typer.Option(
            "--drain", metavar="SECONDS", min=0, help="How long running tasks may take to end [60]."
        ),
    ] = None,
    keep_sandbox: Annotated[
        bool, typer.Option("--keep-sandbox", help="Leave the sandbox up for the next `up`.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Destroy an environment, and show that nothing is left.

    Running tasks end first. Then everything goes in order, also what controllers made and no
    state knows; cloud and cluster are asked whether anything is left. If so, it is named and the
    stack is kept. Twice in a row is fine, and after any interruption the same command goes on.

    A branch's configuration goes with it; that of other environments stays. The sandbox ends with
    the last environment on it.

    \b
    Example:
      aerodrome down
      aerodrome down --branch feature/x
      aerodrome down --drain 900
      aerodrome down --env prod --yes-destroy prod
    """
    from cli.operations.teardown.operation import Wish, phases_of, tear_down

    session: Session = ctx.obj
    if drain is not None:
        session.limits = replace(session.limits, drain=drain)

    def agree(target: "Target") -> None:
        if not session.cloud(environment).asks or yes or yes_destroy == environment.name:
            return
        question = f'Destroy everything of environment "{environment.name}" on AWS?'
        if not session.console.confirm(question):
            raise UserError(
                "Nothing was changed",
                "It was not agreed to.",
                f"./aerodrome down --env {environment.name} --yes",
            )

    wish = Wish(keep_sandbox, with_branches, yes_destroy, agree)
    phases = Phases(session.console, total=phases_of(session, environment, wish))
    done = tear_down(session, environment, phases, wish)
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
        console.line(f'environment "{branch.environment}", which stood on it, is gone too')
    if done.forgotten:
        console.line("the sandbox was gone, and its cloud with it: the state is forgotten")
    elif done.outcome:
        console.line(f"destroyed: {done.outcome.summary()}")
    elif swept := [item for step in done.steps for item in step.deleted]:
        console.line(f"no state told of it; {len(swept)} leftover(s) are deleted")
    else:
        console.line(f'environment "{environment.name}" was not deployed')
    console.line(f'inventory of "{environment.name}": empty', "bold green")
    for item in done.kept:
        console.line(f"kept on purpose: {item}", "bold")
    if done.sandbox_kept:
        console.line(f"the sandbox is kept: {done.sandbox_kept}")
    elif session.cloud(environment).phases:
        console.line("the sandbox is gone: nothing of it is left on this machine", "bold green")
    console.line()
    phases.show()

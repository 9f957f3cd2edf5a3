"""`aerodrome down`: everything away, and the proof that nothing is left."""

from typing import Annotated, Any

import typer

from cli.environments import Environment
from cli.options import Engine, Json, Yes, on_environment
from cli.phases import Phases
from cli.session import Session
from cli.teardown.operation import TornDown, tear_down
from sandbox.errors import UserError


@on_environment
def down(
    ctx: typer.Context,
    environment: Environment,
    keep_sandbox: Annotated[
        bool, typer.Option("--keep-sandbox", help="Leave the sandbox up for the next `up`.")
    ] = False,
    engine: Engine = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Destroy an environment, and show that nothing is left.

    The sandbox ends with the last environment on it. Configuration and secrets stay, so that the next `up` makes the same environment.
    Twice in a row is fine.

    \b
    Example:
      aerodrome down
      aerodrome down --keep-sandbox
    """
    session: Session = ctx.obj
    if not environment.sandboxed:
        _down_on_aws(session, environment, yes)
        return
    phases = Phases(session.console, total=3)
    done = tear_down(session, environment, phases, keep_sandbox=keep_sandbox)
    data: dict[str, Any] = {
        "environment": environment.name,
        "changes": dict(done.outcome.changes) if done.outcome else {},
        "forgotten": done.forgotten,
        "inventory": [],
        "sandboxKept": done.sandbox_kept,
        "phases": phases.data(),
    }
    session.console.result(data, lambda: _show(session, environment, done, phases))


def _down_on_aws(session: Session, environment: Environment, yes: bool) -> None:
    console = session.console
    question = f'Destroy everything of environment "{environment.name}" on AWS?'
    if not yes and not console.confirm(question):
        raise UserError("Nothing was changed", "It was not agreed to.", "aerodrome down --yes")
    outcome = session.backend(environment).destroy(console.stderr)
    data = {"environment": environment.name, "changes": dict(outcome.changes)}
    console.result(data, lambda: console.line(f"done: {outcome.summary()}"))


def _show(session: Session, environment: Environment, done: TornDown, phases: Phases) -> None:
    console = session.console
    if done.forgotten:
        console.line("the sandbox was gone, and its cloud with it: the state is forgotten")
    elif done.outcome:
        console.line(f"destroyed: {done.outcome.summary()}")
    else:
        console.line(f'environment "{environment.name}" was not deployed')
    console.line(f'inventory of "{environment.name}": empty', "bold green")
    if done.sandbox_kept:
        console.line(f"the sandbox is kept: {done.sandbox_kept}")
    else:
        console.line("the sandbox is gone: nothing of it is left on this machine", "bold green")
    console.line()
    phases.show()

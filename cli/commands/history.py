"""`aerodrome history`: what was done to an environment, run by run."""

import time
from typing import Annotated, Any

import typer

from cli.environments import Environment
from cli.options import Json, on_environment
from cli.session import Session
from sandbox.errors import UserError


@on_environment
def history(
    ctx: typer.Context,
    environment: Environment,
    last: Annotated[
        int, typer.Option("--last", min=1, metavar="N", help="How many runs to show.")
    ] = 10,
    json: Json = False,
) -> None:
    """Show what was done to an environment, the latest run first.

    \b
    Example:
      aerodrome history
      aerodrome history --last 3 --json
    """
    session: Session = ctx.obj
    if not environment.sandboxed:
        raise UserError(
            f'The history of "{environment.name}" is kept by Pulumi',
            "It is where `pulumi login` says.",
            f"pulumi stack history --stack {environment.name}",
        )
    # Imported late: it loads the engine.
    from cli.embedded import EmbeddedBackend

    runs = EmbeddedBackend(environment, None).history()[:last]
    session.console.result({"history": runs}, lambda: _show(session, runs))


def _show(session: Session, runs: list[dict[str, Any]]) -> None:
    if not runs:
        session.console.line("nothing was done yet")
        return
    rows = [
        (
            str(run["version"]),
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run["startTime"])),
            run["kind"],
            run["result"],
            f"{run['endTime'] - run['startTime']} s",
            ", ".join(f"{n} {kind}" for kind, n in sorted(run.get("resourceChanges", {}).items())),
        )
        for run in runs
    ]
    session.console.table(("run", "started", "kind", "result", "took", "changes"), rows)

"""`aerodrome history`: what was done to an environment, run by run."""

from datetime import datetime
from typing import Annotated, Any

import typer

from cli.base.environments import Environment
from cli.commands.options import Json, on_environment
from cli.session import Session


@on_environment
def history(
    ctx: typer.Context,
    environment: Environment,
    last: Annotated[
        int, typer.Option("--last", min=1, metavar="N", help="How many runs to show.")
    ] = 10,
    json: Json = False,
) -> None:
    """Show an environment's deployments, the latest first.

    \b
    Example:
      aerodrome history
      aerodrome history --last 3 --json
    """
    session: Session = ctx.obj
    session.cloud(environment).unlock()
    runs = session.backend(environment).history()[:last]
    session.console.result({"history": runs}, lambda: _show(session, runs))


def _show(session: Session, runs: list[dict[str, Any]]) -> None:
    if not runs:
        session.console.line("no deployments yet")
        return
    rows = [
        (
            str(run["version"]),
            _instant(run["startTime"]).astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            run["kind"],
            run["result"],
            _took(run),
            ", ".join(f"{n} {kind}" for kind, n in sorted(run.get("resourceChanges", {}).items())),
        )
        for run in runs
    ]
    session.console.table(("run", "started", "kind", "result", "took", "changes"), rows)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _took(run: dict[str, Any]) -> str:
    if not run.get("endTime"):
        return ""
    return f"{(_instant(run['endTime']) - _instant(run['startTime'])).total_seconds():.0f} s"

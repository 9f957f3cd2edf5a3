"""`aerodrome list`: every environment."""

from datetime import UTC, datetime

import typer

from cli.base import lifetime
from cli.commands.options import Json
from cli.operations import overview
from cli.operations.overview import EnvironmentSummary
from cli.session import Session

HEADINGS = (
    "environment",
    "tenancy",
    "branch",
    "base",
    "age",
    "last use",
    "kept until",
    "cost so far",
    "health",
)


def list_environments(ctx: typer.Context, json: Json = False) -> None:
    """List every environment: on this machine, and on AWS where the Pulumi CLI is logged in.

    The cost so far is at AWS's list prices; for a sandbox, of the AWS resources that it stands in for.

    \b
    Example:
      aerodrome list
      aerodrome list --json
    """
    session: Session = ctx.obj
    found = list(overview.lines(session))
    console = session.console

    def show() -> None:
        if found:
            console.table(HEADINGS, [_row(session, line) for line in found])
        else:
            console.line("no environment is deployed")

    console.result([line.data() for line in found], show)


def _row(session: Session, line: EnvironmentSummary) -> tuple[str, ...]:
    passed = lifetime.has_passed(line.expires, session.today())
    return (
        line.name,
        line.tenancy,
        line.branch or "-",
        line.base or "-",
        overview.age(line.created, datetime.now(UTC)),
        line.used or "-",
        f"{line.expires} (past)" if passed else line.expires,
        "-" if line.cost is None else f"{line.cost:.2f} USD",
        line.health,
    )

"""`aerodrome extend`: until when an environment is kept."""

from typing import Annotated

import typer

from cli.base import lifetime
from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.commands.options import Json, on_environment
from cli.operations import live, usage
from cli.session import Session
from cli.stack.stack_config import EXPIRES_KEY


@on_environment
def extend(
    ctx: typer.Context,
    environment: Environment,
    days: Annotated[
        int | None,
        typer.Option(
            "--days", min=1, max=lifetime.MOST_DAYS, help="Keep it this many days, from today."
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            metavar="DATE",
            help="Keep it to the end of this day in UTC, or `never` sweep it.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Change the day on which an environment expires.

    `sweep` destroys an environment after that day. Using an environment keeps it for 3 more days,
    and never shortens its lifetime.

    \b
    Example:
      aerodrome extend --days 14
      aerodrome extend --branch feature/login --until never
    """
    session: Session = ctx.obj
    today = session.today()
    if (days is None) == (until is None):
        raise UserError(
            "Give --days or --until",
            "",
            f"./{ctx.command_path} --days {lifetime.DAYS}",
        )
    expires = lifetime.after(str(days), today) if until is None else lifetime.until(until, today)
    found = live.of(session, environment)
    if until is None and found.backend.plain().get(EXPIRES_KEY, lifetime.NEVER) == lifetime.NEVER:
        # A base, mostly: the branches on it would go with it.
        raise UserError(
            f'Environment "{environment.name}" is kept until somebody destroys it',
            "There is nothing to extend. To let it expire on a day nevertheless, give the day:",
            f"./{ctx.command_path} --until {expires}{session.same}",
        )
    usage.keep(found, expires)
    data = {"environment": environment.name, "expires": expires, "used": today.isoformat()}
    text = f"{environment.name} is kept until {expires}"
    if expires == lifetime.NEVER:
        text = f"{environment.name} is kept until somebody destroys it"
    session.console.result(data, lambda: session.console.line(text))

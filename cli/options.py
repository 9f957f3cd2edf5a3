"""Options that several verbs share, so that they read and behave alike."""

from typing import Annotated

import typer

from cli import environments
from cli.session import Session


def _complete_environment(incomplete: str) -> list[str]:
    return [name for name in environments.known() if name.startswith(incomplete)]


def _use_json(ctx: typer.Context, value: bool) -> bool:
    session = ctx.find_object(Session)
    if session is not None and not ctx.resilient_parsing:
        session.console.json = value
    return value


Env = Annotated[
    str,
    typer.Option(
        "--env",
        envvar="AERODROME_ENV",
        metavar="NAME",
        help="The environment; `sandbox` and `sandbox-...` live on this machine.",
        autocompletion=_complete_environment,
    ),
]

Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print the result as JSON; progress still goes to standard error.",
        callback=_use_json,
    ),
]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing AWS.")]

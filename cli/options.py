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


def _use_ui_port(ctx: typer.Context, value: int | None) -> int | None:
    session = ctx.find_object(Session)
    if value is not None and session is not None:
        session.chosen_ui_port = value
    return value


UiPort = Annotated[
    int | None,
    typer.Option(
        "--ui-port",
        min=1,
        max=65535,
        help="The loopback port of Airflow's UI, if the sandbox is not up yet; 8080 if not said.",
        callback=_use_ui_port,
    ),
]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing AWS.")]

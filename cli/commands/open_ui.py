"""`aerodrome open`: the UI in a browser."""

import shutil
import subprocess
from typing import Annotated

import typer

from cli import deployment
from cli.environments import Environment
from cli.options import Json, on_environment
from cli.session import Session
from sandbox.errors import UserError


@on_environment
def open_ui(
    ctx: typer.Context,
    environment: Environment,
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the address, open nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Open Airflow's UI in a browser, or print its address.

    \b
    Example:
      aerodrome open --print
    """
    session: Session = ctx.obj
    if not environment.sandboxed:
        raise UserError(
            f'The address of "{environment.name}" is not known here',
            "Airflow on AWS is behind a Service of its cluster.",
            f"aerodrome outputs --env {environment.name}",
        )
    url, _ = deployment.urls(deployment.running(session).instance)
    browser = shutil.which("xdg-open")
    opened = browser is not None and not print_only and not json
    if opened and browser is not None:
        subprocess.run([browser, url], check=False, capture_output=True)
    session.console.result({"url": url, "opened": opened}, lambda: session.console.line(url))

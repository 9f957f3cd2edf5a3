"""`aerodrome open`: the UI in a browser."""

import shutil
import signal
import subprocess
from typing import Annotated

import typer

from cli.base.environments import Environment
from cli.commands.options import Json, on_environment
from cli.operations import live, usage
from cli.session import Session


@on_environment
def open_ui(
    ctx: typer.Context,
    environment: Environment,
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the address, and open no browser.")
    ] = False,
    flower: Annotated[
        bool, typer.Option("--flower", help="Flower, which shows Celery's workers and tasks.")
    ] = False,
    json: Json = False,
) -> None:
    """Open Airflow's UI in a browser, or print its address.

    Where it has no address of its own (on AWS, unless a load balancer is configured), a port of this
    machine is forwarded until you end the command. Flower never has one; its login is the administrator's.

    \b
    Example:
      aerodrome open
      aerodrome open --flower
      aerodrome open --branch feature/login --print
    """
    session: Session = ctx.obj
    found = live.of(session, environment)
    usage.used(found)
    with found.flower() if flower else found.ui() as url:
        opened = not print_only and not json and _browse(url)
        session.console.result({"url": url, "opened": opened}, lambda: session.console.line(url))
        if flower or not found.addresses:
            session.console.note("the address works until you end this command (Ctrl-C)")
            signal.pause()


def _browse(url: str) -> bool:
    browser = shutil.which("xdg-open")
    if browser is None:
        return False
    subprocess.run([browser, url], check=False, capture_output=True)
    return True

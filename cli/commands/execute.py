"""`aerodrome exec`: a command in one of Airflow's pods."""

import sys
from typing import Annotated

import typer

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.commands.options import Json, on_environment
from cli.operations import live, usage
from cli.operations.live import COMPONENT_LABEL, COMPONENTS, DATABASE, Live
from cli.session import Session

DEFAULT = "scheduler"
"""It has Airflow's configuration, and the right to everything in the database."""


@on_environment
def execute(
    ctx: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="COMMAND",
            help=f"The command; before it, the component to run it in: {', '.join(COMPONENTS)}.",
        ),
    ],
    environment: Environment,
    json: Json = False,
) -> None:
    """Run a command in a pod of Airflow; in the scheduler's by default.

    The exit code is that of the command. On a terminal the session is interactive.

    \b
    Example:
      aerodrome exec -- airflow dags list
      aerodrome exec api-server -- bash
      aerodrome exec --branch feature/login -- airflow tasks test example_pipeline extract
    """
    session: Session = ctx.obj
    component, command = _parted(words)
    found = live.of(session, environment)
    there = _place(found, component)
    usage.used(found)
    if json:
        code, output, errors = found.kubectl.answer("exec", *there, "--", *command)
        data = {"pod": there[0], "exitCode": code, "output": output, "errors": errors}
        session.console.result(data, lambda: None)
    else:
        terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
        code = found.kubectl.interact("exec", "--stdin", *terminal, *there, "--", *command)
    if code:
        raise typer.Exit(code)


def _parted(words: list[str]) -> tuple[str, list[str]]:
    """Component and command. Typer drops the `--` between them."""
    first, *others = words
    if first not in COMPONENTS:
        return DEFAULT, words
    if not others:
        raise UserError(
            f"What shall run in the {first}?", "", f"./aerodrome exec {first} -- COMMAND"
        )
    return first, others


def _place(found: Live, component: str) -> tuple[str, str]:
    """A running pod of the component, and its container, as kubectl takes them."""
    pods = found.kubectl.objects("pods", selector=f"{COMPONENT_LABEL}={component}")
    for pod in pods:
        if pod["status"].get("phase") == "Running":
            container = pod["spec"]["containers"][0]["name"]
            return str(pod["metadata"]["name"]), f"--container={container}"
    if component == DATABASE:
        found.require_own_database("exec", " -- COMMAND")
    states = ", ".join(str(pod["status"].get("phase")) for pod in pods) or "none"
    raise UserError(
        f'No pod of "{component}" runs in environment "{found.environment.name}"',
        f"Its pods: {states}.",
        f"./aerodrome status{found.session.same}",
    )

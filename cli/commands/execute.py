"""`aerodrome exec`: a command in one of Airflow's pods."""

import sys
from typing import Annotated

import typer

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.cloud.kubernetes import Object, main_container
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
    pod = _place(found, component)
    name = str(pod["metadata"]["name"])
    usage.used(found)
    if json:
        code, output, errors = found.kubernetes.execute(pod, *command)
        data = {"pod": name, "exitCode": code, "output": output, "errors": errors}
        session.console.result(data, lambda: None)
    else:
        terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
        where = ("--stdin", *terminal, name, f"--container={main_container(pod)}")
        code = found.kubernetes.kubectl.interact("exec", *where, "--", *command)
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


def _place(found: Live, component: str) -> Object:
    """A running pod of the component."""
    pods = found.kubernetes.objects("pods", selector=f"{COMPONENT_LABEL}={component}")
    for pod in pods:
        if pod["status"].get("phase") == "Running":
            return pod
    if component == DATABASE:
        found.require_own_database("exec", " -- COMMAND")
    states = ", ".join(str(pod["status"].get("phase")) for pod in pods) or "none"
    raise UserError(
        f'No pod of "{component}" runs in environment "{found.environment.name}"',
        f"Its pods: {states}.",
        f"./aerodrome status{found.session.same}",
    )

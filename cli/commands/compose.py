"""`aerodrome compose`: a compose file of an environment, for one machine without Kubernetes."""

from pathlib import Path
from typing import Annotated

import typer

from cli.base.environments import Environment
from cli.commands.options import Json, on_environment
from cli.session import Session


@on_environment
def compose(
    ctx: typer.Context,
    environment: Environment,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FOLDER",
            help="Where to write [default: compose/ENVIRONMENT in the project].",
        ),
    ] = None,
    executor: Annotated[
        str | None,
        typer.Option(
            "--executor",
            metavar="NAME",
            help="In place of the environment's; one that needs no cluster, such as LocalExecutor.",
        ),
    ] = None,
    mount_dags: Annotated[
        bool,
        typer.Option("--mount-dags", help="Mount images/airflow/dags: an edit shows at once."),
    ] = False,
    ui_port: Annotated[
        int,
        typer.Option("--ui-port", min=1, max=65535, help="The loopback port of Airflow's UI."),
    ] = 8080,
    flower_port: Annotated[
        int,
        typer.Option("--flower-port", min=1, max=65535, help="The loopback port of Flower."),
    ] = 5555,
    json: Json = False,
) -> None:
    """Write a compose file that runs Airflow on one machine, without Kubernetes.

    From the environment's configuration, the images of the project and Airflow's chart; nothing has to be
    deployed. Secrets are files of their own, and a second run keeps them. docs/compose.md says more.

    \b
    Example:
      aerodrome compose
      aerodrome compose --mount-dags --ui-port 8081
      aerodrome compose --env prod --executor LocalExecutor --output ~/airflow
    """
    from cli.operations.compose.operation import Request
    from cli.operations.compose.operation import compose as write

    session: Session = ctx.obj
    request = Request(output, executor, ui_port, flower_port, mount_dags)
    report = write(session, environment, request)
    console = session.console

    def show() -> None:
        for note in report.notes:
            console.line(note)
        for change in report.changes:
            console.line(f"  {change.action}: {change.path}")
        if not report.changes:
            console.line("  nothing has changed")
        console.line(f"{report.folder} is ready: {report.executor}", "bold green")
        console.line(f"  start   {report.start}")
        console.line(f"  UI      {report.url}, user {report.user}")
        if report.flower_url:
            console.line(f"  Flower  {report.flower_url}, the same login")
        console.line(f"  password: cat {report.password_file}")

    console.result(report.data(), show)

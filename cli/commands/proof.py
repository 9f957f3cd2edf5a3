"""`aerodrome proof`: one DAG run, seen green from outside."""

import typer

from cli.base.environments import Environment
from cli.base.record import Record
from cli.commands.options import Json, on_environment
from cli.operations import deployment, live
from cli.session import Session


@on_environment
def proof(ctx: typer.Context, environment: Environment, json: Json = False) -> None:
    """Run the proof DAG, and read its log back.

    The log of a task is read from S3 and through Airflow's API. Then every DAG file of the environment
    must have been parsed without an import error. The proof DAG is the image's own.

    \b
    Example:
      aerodrome proof
    """
    session: Session = ctx.obj
    done = deployment.proved(live.of(session, environment))
    record = Record.read(environment)
    if record is not None:
        record.proved(done).write(environment)
    console = session.console

    def show() -> None:
        console.line(f"run {done['run']} of DAG {done['dag']} is green", "bold green")
        console.line(f"log of task {done['log_task']}: {done['log_uri']}")

    console.result(done, show)

"""`aerodrome proof`: one DAG run, seen green from outside."""

import typer

from cli import deployment, stack_config
from cli.environments import Environment
from cli.options import Json, on_environment
from cli.record import Record
from cli.session import Session
from sandbox.errors import UserError


@on_environment
def proof(ctx: typer.Context, environment: Environment, json: Json = False) -> None:
    """Run the example DAG, and read a task's log back.

    Once from S3, and once through Airflow.

    \b
    Example:
      aerodrome proof
    """
    session: Session = ctx.obj
    if not environment.sandboxed:
        raise UserError(
            f'The proof of "{environment.name}" cannot be run from here',
            "Airflow on AWS is not reached from this machine without a port forward.",
            "kubectl port-forward --namespace airflow service/airflow-api-server 8080",
        )
    sandbox = deployment.running(session)
    stack_config.provide_passphrase(environment)
    backend = session.backend(environment, sandbox)
    done = deployment.proved(session, sandbox, backend.outputs(), backend)
    record = Record.read(environment)
    if record is not None:
        record.proved(done).write(environment)
    console = session.console

    def show() -> None:
        console.line(f"run {done['run']} of DAG {done['dag']} is green", "bold green")
        console.line(f"log of task {done['log_task']}: {done['log_uri']}")

    console.result(done, show)

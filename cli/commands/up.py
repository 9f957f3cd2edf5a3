"""`aerodrome up`: from nothing to a green DAG run."""

from typing import Annotated, Any

import typer

from cli import deployment, environments
from cli.deployment import Deployed
from cli.environments import Environment
from cli.options import Json, UiPort, Yes, on_environment
from cli.phases import Phases
from cli.session import Session
from sandbox.errors import UserError


@on_environment
def up(
    ctx: typer.Context,
    environment: Environment,
    prove: Annotated[
        bool, typer.Option("--proof", help="Run the example DAG even if nothing changed.")
    ] = False,
    ui_port: UiPort = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Deploy an environment, and prove that it works.

    The proof is a DAG run that ends green, and its log read back. A sandbox environment
    gets its sandbox first. What is there already is left alone, so after any interruption
    the same command goes on.

    \b
    Example:
      aerodrome up
      aerodrome up --env dev --yes
    """
    session: Session = ctx.obj
    if not environment.sandboxed:
        _up_on_aws(session, environment, yes)
        return
    phases = Phases(session.console, total=3, before=session.setup_seconds)
    done = deployment.deploy(session, environment, phases, prove_again=prove)
    data = {
        "environment": environment.name,
        "changed": done.outcome.changed > 0,
        "changes": dict(done.outcome.changes),
        "url": done.url,
        "nodeUrl": done.node_url,
        "proof": done.proof,
        "provedNow": done.proved_now,
        "next": _next(environment),
        "phases": phases.data(),
    }
    session.console.result(data, lambda: _show(session, environment, done, phases))


def _up_on_aws(session: Session, environment: Environment, yes: bool) -> None:
    console = session.console
    backend = session.backend(environment)
    if not yes:
        planned = backend.preview(console.stderr)
        console.note(f"planned: {planned.summary()}")
        if planned.changed and not console.confirm("Change AWS as shown?"):
            raise UserError("Nothing was changed", "It was not agreed to.", "aerodrome up --yes")
    outcome = backend.up(console.stderr)
    data: dict[str, Any] = {
        "environment": environment.name,
        "changed": outcome.changed > 0,
        "changes": dict(outcome.changes),
    }
    console.result(data, lambda: console.line(f"done: {outcome.summary()}"))


def _next(environment: Environment) -> list[str]:
    option = "" if environment.name == environments.DEFAULT else f" --env {environment.name}"
    return [
        f"./aerodrome open{option}",
        f"./aerodrome config get adminPassword --show{option}",
        f"./aerodrome status{option}",
        f"./aerodrome down{option}",
    ]


def _show(session: Session, environment: Environment, done: Deployed, phases: Phases) -> None:
    console = session.console
    if done.outcome.changed:
        console.line(f"deployed: {done.outcome.summary()}", "bold green")
    else:
        count = sum(done.outcome.changes.values())
        console.line(f"nothing to change: {count} resources are as they should be", "bold green")
    console.line()
    open_it, password, status, down = _next(environment)
    rows = [
        ("Airflow", f"{done.url}  (also {done.node_url})"),
        ("password", password),
        ("run", f"{done.proof.get('run')} of DAG {done.proof.get('dag')}, green"),
        ("log in S3", str(done.proof.get("log_uri"))),
        ("next", open_it),
        ("", status),
        ("", down),
    ]
    for name, value in rows:
        console.line(f"{name:<10} {value}")
    console.line()
    phases.show()

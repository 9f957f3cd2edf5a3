"""`aerodrome preview`: what `up` would do."""

import typer

from cli import deployment, sandboxes, stack_config
from cli.deployment import Wish
from cli.environments import Environment
from cli.options import Engine, Json, on_environment
from cli.session import Session


@on_environment
def preview(
    ctx: typer.Context, environment: Environment, engine: Engine = None, json: Json = False
) -> None:
    """Show what `up` would change, and change nothing in the cloud.

    The configuration of an environment that is new is made, as `up` would.

    \b
    Example:
      aerodrome preview
      aerodrome preview --env dev --json
    """
    session: Session = ctx.obj
    planned = deployment.plan(session, environment, Wish())
    sandbox = sandboxes.running(session) if environment.sandboxed else None
    if environment.sandboxed:
        stack_config.provide_passphrase(environment, make=True)
    backend = session.backend(environment, sandbox)
    deployment.configure(session, planned, backend)
    outcome = backend.preview(session.console.stderr)
    data = {
        "environment": environment.name,
        "changed": outcome.changed > 0,
        "changes": dict(outcome.changes),
        "seconds": round(outcome.seconds, 2),
    }
    text = f"would do: {outcome.summary()}" if outcome.changed else "nothing to change"
    session.console.result(data, lambda: session.console.line(text, "bold"))

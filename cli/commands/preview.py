"""`aerodrome preview`: what `up` would do."""

from contextlib import ExitStack

import typer

from cli.base.environments import Environment
from cli.commands.options import (
    AskedTenancy,
    FormerTenancy,
    Json,
    Lifetime,
    Refresh,
    on_environment,
    under_new_name,
)
from cli.operations import deployment, sandboxes
from cli.operations.deployment import Wish
from cli.session import Session


@on_environment
def preview(
    ctx: typer.Context,
    environment: Environment,
    tenancy: AskedTenancy = None,
    rung: FormerTenancy = None,
    lifetime: Lifetime = None,
    refresh: Refresh = False,
    json: Json = False,
) -> None:
    """Show what `up` would change, and change nothing.

    Neither in the cloud nor on this machine: a new environment is configured for the time of the
    preview only, with secrets that are forgotten.

    \b
    Example:
      aerodrome preview
      aerodrome preview --env dev --json
      aerodrome preview --tenancy dedicated
      aerodrome preview --refresh
    """
    session: Session = ctx.obj
    wish = Wish(tenancy=under_new_name(ctx, tenancy, rung), lifetime=lifetime)
    with ExitStack() as trial:
        sandbox = None
        if environment.sandboxed:
            sandbox = sandboxes.find(session)
        # Before the plan: who looks at a stack in a fresh clone gets its configuration back.
        backend = trial.enter_context(session.backend(environment, sandbox).trial())
        planned = deployment.plan(session, environment, wish)
        if environment.sandboxed:
            sandboxes.running(session)
        deployment.configure(session, planned, backend)
        outcome = backend.preview(session.console.stderr, refresh=refresh)
    data = {
        "environment": environment.name,
        "changed": outcome.changed > 0,
        "changes": dict(outcome.changes),
        "seconds": round(outcome.seconds, 2),
    }
    text = f"would do: {outcome.summary()}" if outcome.changed else "nothing to change"
    session.console.result(data, lambda: session.console.line(text, "bold"))

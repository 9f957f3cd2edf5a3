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
from cli.operations import deployment
from cli.operations.deployment import UpOptions
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

    Nothing is written, neither in the cloud nor on this machine: a new environment gets a temporary
    configuration with temporary secrets.

    \b
    Example:
      aerodrome preview
      aerodrome preview --env dev --json
      aerodrome preview --tenancy dedicated
      aerodrome preview --refresh
    """
    session: Session = ctx.obj
    options = UpOptions(tenancy=under_new_name(ctx, tenancy, rung), lifetime=lifetime)
    with ExitStack() as stack:
        # Before the plan: who looks at a stack in a fresh clone gets its configuration back.
        backend = stack.enter_context(session.backend(environment).dry_run())
        planned = deployment.plan(session, environment, options)
        session.cloud(environment).require()
        deployment.configure(session, planned, backend)
        outcome = backend.preview(session.console.stderr, refresh=refresh)
        begun = deployment.touched_runs(session, environment, backend)
    data = {
        "environment": environment.name,
        "changed": outcome.changed > 0,
        "changes": dict(outcome.changes),
        "seconds": round(outcome.seconds, 2),
        "unfinishedRuns": [run.data() for run in begun],
    }
    text = f"would do: {outcome.summary()}" if outcome.changed else "nothing to change"
    session.console.result(data, lambda: session.console.line(text, "bold"))

"""`aerodrome preview`: what `up` would do."""

from collections.abc import Sequence
from contextlib import ExitStack

import typer

from cli.base import values_files
from cli.base.environments import Environment
from cli.commands.options import (
    AskedTenancy,
    FormerTenancy,
    Json,
    Lifetime,
    Refresh,
    ValuesFiles,
    on_environment,
    under_new_name,
)
from cli.operations import deployment, losses
from cli.operations.deployment import UpOptions
from cli.session import Session
from cli.stack import stack_config
from cli.stack.backends import Outcome


@on_environment
def preview(
    ctx: typer.Context,
    environment: Environment,
    tenancy: AskedTenancy = None,
    rung: FormerTenancy = None,
    lifetime: Lifetime = None,
    values: ValuesFiles = None,
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
    options = UpOptions(
        tenancy=under_new_name(ctx, tenancy, rung),
        lifetime=lifetime,
        values=values_files.from_project(values) if values else None,
    )
    with ExitStack() as stack:
        # Before the plan: who looks at a stack in a fresh clone gets its configuration back.
        backend = stack.enter_context(session.backend(environment).dry_run())
        planned = deployment.plan(session, environment, options)
        session.cloud(environment).require()
        deployment.check(session, planned, backend, refresh=refresh)
        there = losses.deployed(backend)
        lost = [loss.text for loss in losses.of(there)] if there else []
        if there:
            losses.refuse_impossible(environment, there)
        airflow = deployment.version_change(session, environment, backend)
        deployment.configure(session, planned, backend)
        stack.enter_context(stack_config.values_unless_refused(backend, options.values))
        outcome = backend.preview(session.console.stderr, refresh=refresh)
        begun = deployment.touched_runs(session, environment, backend)
    data = {
        "environment": environment.name,
        "changed": outcome.changed > 0,
        "changes": dict(outcome.changes),
        "seconds": round(outcome.seconds, 2),
        "airflow": airflow.data(),
        "losses": [*lost, *outcome.losing],
        "unfinishedRuns": [run.data() for run in begun],
    }
    session.console.result(data, lambda: _show(session, outcome, [*lost, *outcome.losing]))


def _show(session: Session, outcome: Outcome, lost: Sequence[str]) -> None:
    text = f"would do: {outcome.summary()}" if outcome.changed else "nothing to change"
    session.console.line(text, "bold")
    for loss in lost:
        session.console.line(f"DATA WOULD GO: {loss}", "bold red")
    if lost:
        session.console.line("`up` does that with --discard-data only.")

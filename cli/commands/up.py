"""`aerodrome up`: from nothing to a green DAG run."""

from typing import Annotated, Any

import typer

from cli.base import values_files
from cli.base.environments import Environment
from cli.base.phases import Phases
from cli.commands.options import (
    AskedTenancy,
    FormerTenancy,
    Json,
    Lifetime,
    Refresh,
    UiPort,
    ValuesFiles,
    Yes,
    on_environment,
    under_new_name,
)
from cli.operations import deployment
from cli.operations.deployment import Deployed, UpOptions
from cli.session import Session
from cli.stack.backends import Outcome


@on_environment
def up(  # noqa: PLR0913 - one parameter for each option
    ctx: typer.Context,
    environment: Environment,
    tenancy: AskedTenancy = None,
    rung: FormerTenancy = None,
    lifetime: Lifetime = None,
    values: ValuesFiles = None,
    prove: Annotated[
        bool | None,
        typer.Option("--proof/--no-proof", help="Run the proof DAG [default: after a change]."),
    ] = None,
    refresh: Refresh = False,
    discard_data: Annotated[
        bool,
        typer.Option(
            "--discard-data", help="Agree to lose the data that the new configuration destroys."
        ),
    ] = False,
    ui_port: UiPort = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Deploy an environment, and prove that it works.

    The proof is a DAG run that succeeds, and its log read back. For a sandbox environment the sandbox
    is started first. On a git branch the branch's own environment is deployed, in the cluster of its
    base environment. The command can be repeated, and resumes after an interruption.

    \b
    Example:
      aerodrome up
      aerodrome up --branch feature/login --lifetime 7
      aerodrome up --env dev --yes
      aerodrome up --values values/more-tasks.yaml
      aerodrome up --refresh
    """
    session: Session = ctx.obj
    cloud = session.cloud(environment)
    phases = Phases(session.console, total=2 + cloud.phases, before=session.setup_seconds)
    asks = not yes and cloud.asks
    options = UpOptions(
        prove,
        under_new_name(ctx, tenancy, rung),
        lifetime,
        (lambda planned: _agree(session, planned)) if asks else None,
        refresh,
        values_files.from_project(values) if values else None,
        discard_data,
    )
    done = deployment.deploy(session, environment, phases, options)
    data: dict[str, Any] = {
        "environment": environment.name,
        "tenancy": done.placement.tenancy,
        "base": done.placement.base,
        "branch": done.placement.branch,
        "expires": done.expires,
        "changed": done.outcome.changed > 0,
        "changes": dict(done.outcome.changes),
        "airflow": done.airflow.data(),
        "url": done.url or next(iter(done.addresses), ""),
        "nodeUrl": next(reversed(done.addresses), ""),
        "proof": done.proof,
        "provedNow": done.proved_now,
        "declared": dict(done.declared),
        "access": dict(done.access),
        "encrypted": dict(done.encrypted),
        "rancher": dict(done.rancher),
        "unfinishedRuns": [run.data() for run in done.unfinished],
        "next": _next(session),
        "phases": phases.data(),
    }
    session.console.result(data, lambda: _show(session, environment, done, phases))


def _agree(session: Session, planned: Outcome) -> None:
    session.console.note(f"planned: {planned.summary()}")
    if planned.changed:
        session.console.agree(
            "Change AWS as shown?", "Nothing was changed.", "./aerodrome up --yes"
        )


def _next(session: Session) -> list[str]:
    return [
        f"./aerodrome {command}{session.same}"
        for command in ("open", "config get adminPassword --show", "status", "down")
    ]


def _show(session: Session, environment: Environment, done: Deployed, phases: Phases) -> None:
    console = session.console
    if done.outcome.changed:
        console.line(f"deployed: {done.outcome.summary()}", "bold green")
    else:
        count = sum(done.outcome.changes.values())
        console.line(f"nothing to change: {count} resources are as they should be", "bold green")
    console.line()
    open_it, password, status, down = _next(session)
    rows = [("Airflow", _where(done, open_it)), ("password", password)]
    if done.placement.of_branch:
        where = f", in the cluster of {done.placement.base}" if done.placement.shared else ""
        rows.append(("belongs to", f"branch {done.placement.branch or environment.name}{where}"))
        rows.append(("kept until", f"{done.expires}, longer if it is used"))
    if done.proof:
        earlier = "" if done.proved_now else ", in an earlier proof"
        run = f"{done.proof.get('run')} of DAG {done.proof.get('dag')}, green{earlier}"
        rows.append(("run", run))
        rows.append(("log in S3", str(done.proof.get("log_uri"))))
    if done.rancher:
        rows.append(("Rancher", str(done.rancher["next"] or "manages the cluster")))
    rows += [("next", open_it), ("", status), ("", down)]
    for name, value in rows:
        console.line(f"{name:<10} {value}")
    console.line()
    phases.show()


def _where(done: Deployed, open_it: str) -> str:
    if done.url:
        return done.url
    if not done.addresses:
        return f"behind a port that `{open_it}` forwards"
    first, *others = done.addresses
    return f"{first}  (also {', '.join(others)})" if others else first

"""`aerodrome database`: what is done with Airflow's database beside backups."""

from typing import Annotated, Any

import typer

from cli.base.environments import Environment
from cli.commands.options import Json, on_environment
from cli.operations import live, usage
from cli.session import Session

app = typer.Typer(help="Move old rows of Airflow's database to the bucket.", no_args_is_help=True)


@app.command("clean")
@on_environment
def clean(
    ctx: typer.Context,
    environment: Environment,
    older_than: Annotated[
        int | None,
        typer.Option(
            "--older-than",
            metavar="DAYS",
            min=1,
            max=3650,
            help="Days since a run's end [default: `databaseKeepDays`].",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count the old rows, and change nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Move old rows of Airflow's database to the log bucket.

    This is done every night; the command does it now. Finished runs go with their tasks and XComs, and so do old
    entries of the audit log. Rows are deleted once they lie in the bucket. Unfinished runs stay, and so does the
    last scheduled run of each DAG. While a backup, a restore or a migration is under way, nothing is moved.

    \b
    Example:
      aerodrome database clean --dry-run
      aerodrome database clean --older-than 90
      aerodrome database clean --env prod --json
    """
    from cli.operations import database_clean

    session: Session = ctx.obj
    found = live.of(session, environment)
    console = session.console
    if not dry_run:
        usage.used(found)
    console.report(
        "old rows are being looked for" + ("" if dry_run else ", and moved to the bucket")
    )
    done = database_clean.clean(found, older_than, dry_run=dry_run)

    def show() -> None:
        rows = [(table, str(count)) for table, count in done["tables"].items()]
        if rows:
            console.table(("table", "old rows" if dry_run else "rows moved"), rows)
        for uri in done["objects"]:
            console.line(uri)
        if done["stopped"]:
            console.line(f"stopped: {done['stopped']}", "bold red")
        said = "are older" if dry_run else "moved, older"
        console.line(f"{done['rows']} rows {said} than {done['olderThan']}", "bold green")

    data: dict[str, Any] = {"environment": environment.name, "dryRun": dry_run, **done}
    console.result(data, show)

"""`aerodrome restore`: the content of Airflow's database from a backup."""

from typing import Annotated

import typer

from cli.base import environments, lease
from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.commands.options import Json, on_environment
from cli.operations import live, usage
from cli.session import Session


@on_environment
def restore(
    ctx: typer.Context,
    from_: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="BACKUP",
            help="`latest`, the name of a backup, or the s3:// URI of one.",
        ),
    ],
    environment: Environment,
    of: Annotated[
        str,
        typer.Option(
            "--of", metavar="NAME", help="The environment whose backup it is [default: this one]."
        ),
    ] = "",
    no_backup: Annotated[
        bool,
        typer.Option("--no-backup", help="Do not back up the present content before it goes."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Replace the content of Airflow's database with a backup's.

    All DAG runs, connections, variables and accounts become those of the backup. Airflow stops meanwhile, and
    tasks that run are ended. The present content is backed up first, where the environment has backups. What
    another environment's Fernet key encrypted is encrypted with this one's; the administrator's password is
    this environment's. If anything fails, the database stays as it was.

    \b
    Example:
      aerodrome restore --from latest
      aerodrome restore --env staging --from latest --of prod
      aerodrome restore --from 2027-01-31T02-17-00Z
    """
    from cli.operations import backups

    session: Session = ctx.obj
    console = session.console
    found = live.of(session, environment)
    source = live.of(session, environments.environment(of)) if of else found
    backup = backups.choose(source, from_)
    manifest = backups.about(source, backup)
    console.report(
        f"backup of environment {manifest['environment']}, Airflow {manifest['airflow']}, made {manifest['made']}"
    )
    question = f'Replace the whole content of the database of "{environment.name}"?'
    if not yes and not console.confirm(question):
        raise UserError(
            "Cancelled",
            "Nothing was changed. Without a terminal, --yes agrees.",
            f"./aerodrome restore{session.same} --from {from_}{f' --of {of}' if of else ''} --yes",
        )
    usage.used(found)
    store = session.cloud(environment).lease_store(found.outputs.region)
    with lease.held(environment, "restore", console.report, store, found.outputs.base):
        if found.outputs.backup_prefix and not no_backup:
            console.report("backing up the present content")
            before = backups.make(found)["uri"]
            console.report(f"the present content is in {before}")
        else:
            before = ""
        done = backups.restore(found, source, backup, console.report)

    def show() -> None:
        console.line(f"restored {done['rows']} rows of {backup.uri}", "bold green")
        if before:
            console.line(f"what was there before: {before}")

    console.result({**done, "from": backup.uri, "before": before}, show)

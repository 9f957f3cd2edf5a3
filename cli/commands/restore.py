"""`aerodrome restore`: the content of Airflow's database from a backup."""

from typing import Annotated

import typer

from cli.base import environments, lease
from cli.base.environments import Environment
from cli.commands.options import Json, on_environment
from cli.operations import live, usage
from cli.operations.live import Live
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
    no_migrate: Annotated[
        bool,
        typer.Option(
            "--no-migrate",
            help="Leave the schema as the backup's Airflow has it: `up` with that Airflow comes next.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Replace the content of Airflow's database with a backup's.

    All DAG runs, connections, variables and accounts become those of the backup. Airflow stops meanwhile, and
    tasks that run are ended. The present content is backed up first, where the environment has backups. What
    another environment's Fernet key encrypted is encrypted with this one's; the administrator's password is
    this environment's. If anything fails, the database stays as it was.

    The schema becomes that of the environment's Airflow. To go back to an older one, use --no-migrate: Airflow
    then stays stopped until `up` deploys a checkout with the Airflow of the backup.

    \b
    Example:
      aerodrome restore --from latest
      aerodrome restore --env staging --from latest --of prod
      aerodrome restore --from 2027-01-31T02-17-00Z
      aerodrome restore --from 2027-01-31T02-17-00Z --no-migrate
    """
    from cli.operations import airflow_versions, backups

    session: Session = ctx.obj
    console = session.console
    found = live.of(session, environment)
    source = live.of(session, environments.environment(of)) if of else found
    backup = backups.choose(source, from_)
    manifest = backups.about(source, backup)
    console.report(
        f"backup of environment {manifest['environment']}, Airflow {manifest['airflow']}, made {manifest['made']}"
    )
    airflow_versions.refuse_newer(found, backup.name, str(manifest["airflow"]))
    if not yes:
        again = (
            f"--from {from_}{f' --of {of}' if of else ''}{' --no-migrate' if no_migrate else ''}"
        )
        _agree(session, environment, again)
    usage.used(found)
    store = session.cloud(environment).lease_store(found.outputs.region)
    with lease.held(environment, "restore", console.report, store, found.outputs.base):
        before = "" if no_backup else _backed_up(found)
        done = backups.restore(found, source, backup, console.report, migrate=not no_migrate)

    def show() -> None:
        console.line(f"restored {done['rows']} rows of {backup.uri}", "bold green")
        if before:
            console.line(f"what was there before: {before}")
        if no_migrate:
            wanted = f"a checkout with Airflow {manifest['airflow']}"
            console.line(f"Airflow waits for {wanted}: there, ./aerodrome up{session.same}")

    console.result({**done, "from": backup.uri, "before": before}, show)


def _agree(session: Session, environment: Environment, again: str) -> None:
    session.console.agree(
        f'Replace the whole content of the database of "{environment.name}"?',
        "Nothing was changed. Without a terminal, --yes agrees.",
        f"./aerodrome restore{session.same} {again} --yes",
    )


def _backed_up(found: Live) -> str:
    """Where the present content is kept; nowhere if the environment has no backups."""
    from cli.operations import backups

    if not found.outputs.backup_prefix:
        return ""
    report = found.session.console.report
    report("backing up the present content")
    before = str(backups.make(found)["uri"])
    report(f"the present content is in {before}")
    return before

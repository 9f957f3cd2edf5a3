"""`aerodrome backup`: a backup of Airflow's database now, or the list of those there are."""

from typing import Annotated, Any

import typer

from cli.base.environments import Environment
from cli.commands.options import Json, on_environment
from cli.operations import live, usage
from cli.session import Session


@on_environment
def backup(
    ctx: typer.Context,
    environment: Environment,
    list_: Annotated[
        bool, typer.Option("--list", help="List the backups in the bucket, and make none.")
    ] = False,
    json: Json = False,
) -> None:
    """Back up Airflow's database to the log bucket, or list the backups.

    One is made every night and kept for `backupDays`; this makes one more. Connections and variables are in it
    as the database has them: encrypted with the Fernet key, which is not in it.

    \b
    Example:
      aerodrome backup
      aerodrome backup --list
      aerodrome backup --env prod --json
    """
    from cli.operations import backups

    session: Session = ctx.obj
    found = live.of(session, environment)
    console = session.console
    if list_:
        made = backups.existing(found)
        rows = [(one.name, _size(one.bytes), one.uri) for one in made]

        def show_all() -> None:
            if rows:
                console.table(("backup", "size", "object"), rows)
            else:
                console.line(f'environment "{environment.name}" has no backup yet')

        console.result([one.data() for one in made], show_all)
        return
    usage.used(found)
    console.report("the database is being read, and uploaded meanwhile")
    done: dict[str, Any] = backups.make(found)

    def show() -> None:
        console.line(f"backup of {done['rows']} rows: {done['uri']}", "bold green")

    console.result(done, show)


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"

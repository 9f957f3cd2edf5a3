"""`aerodrome image`: what a team adds to Airflow's image."""

from typing import Annotated

import typer

from cli.base.errors import UserError
from cli.commands.options import Json
from cli.session import Session

app = typer.Typer(
    no_args_is_help=True,
    help="Add packages to Airflow's image.",
    rich_markup_mode=None,
)


def add(
    ctx: typer.Context,
    packages: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME[==VERSION]...", help="Python packages."),
    ] = None,
    debian: Annotated[
        list[str] | None,
        typer.Option("--debian", metavar="NAME", help="A Debian package; may be given repeatedly."),
    ] = None,
    json: Json = False,
) -> None:
    """Add packages to the image, locked with hashes against the image's own.

    They are written to images/airflow/extra; the next `up` builds the image with them. If a package
    is unknown or does not fit, nothing is changed.

    \b
    Example:
      aerodrome image add humanize
      aerodrome image add 'pandas==2.*' --debian libsnappy1v5
    """
    from cli.operations.image import Image

    session: Session = ctx.obj
    if not packages and not debian:
        raise UserError(
            "Nothing to add", "Name at least one package.", "./aerodrome image add --help"
        )
    added = Image().add(packages or [], debian or [])

    def show() -> None:
        for name, version in added.items():
            session.console.line(f"{name}=={version} is locked")
        for name in debian or []:
            session.console.line(f"{name} will be installed from Debian")

    session.console.result({"packages": added, "debian": debian or []}, show)


def lock(
    ctx: typer.Context,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Take the newest versions that fit.")
    ] = False,
    json: Json = False,
) -> None:
    """Lock the packages that were added, after their list or the image's own packages have changed.

    \b
    Example:
      aerodrome image lock
      aerodrome image lock --upgrade
    """
    from cli.operations.image import Image

    session: Session = ctx.obj
    locked = Image().lock(upgrade=upgrade)
    session.console.result(
        {"packages": locked},
        lambda: session.console.line(f"{len(locked)} packages are locked, dependencies included"),
    )


def list_added(ctx: typer.Context, json: Json = False) -> None:
    """List what was added to the image.

    \b
    Example:
      aerodrome image list
    """
    from cli.operations.image import Image

    session: Session = ctx.obj
    data = Image().data()
    rows = [("Python", one["wanted"], one["version"] or "not locked") for one in data["packages"]]
    rows += [("Debian", name, "") for name in data["debian"]]
    rows += [("variable", name, "") for name in data["environment"]]
    rows += [("plugin", name, "") for name in data["plugins"]]

    def show() -> None:
        if rows:
            session.console.table(("kind", "name", "version"), rows)
        else:
            session.console.line("nothing was added to the image")

    session.console.result(data, show)


app.command("add")(add)
app.command("lock")(lock)
app.command("list")(list_added)

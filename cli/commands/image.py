"""`aerodrome image`: what a team adds to Airflow's image, what comes from public registries, and what is in those that run."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.commands.options import Json, on_environment
from cli.session import Session

app = typer.Typer(
    no_args_is_help=True,
    help="Add packages to Airflow's image, and list those of images.",
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


def public(
    ctx: typer.Context,
    mirror: Annotated[
        str,
        typer.Option(
            "--mirror", metavar="HOST/PREFIX", help="Your registry; the value of imageMirror."
        ),
    ] = "",
    commands: Annotated[
        bool,
        typer.Option(
            "--commands", help="Only print the commands that copy all of it to the mirror."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """List what environments have from public registries, and where it is in a mirror.

    The commands use crane, which copies images and charts as they are: digests stay. For a mirror in ECR the AWS
    command line makes the repositories first.

    \b
    Example:
      aerodrome image public
      aerodrome image public --mirror registry.example.com/mirror --commands
    """
    from cli.operations import public_images

    session: Session = ctx.obj
    found = public_images.listed(mirror, commands=commands)

    def show() -> None:
        if commands:
            for one in found:
                for line in one["commands"]:
                    session.console.line(line)
            return
        rows = [(one["ref"], one["pulledBy"], one["neededWith"], one["purpose"]) for one in found]
        session.console.table(("image", "pulled by", "with", "for"), rows)

    session.console.result({"images": found}, show)


@on_environment
def sbom(
    ctx: typer.Context,
    environment: Environment,
    images: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="IMAGE...", help="Such as airflow or postgres; all that run by default."
        ),
    ] = None,
    into: Annotated[
        Path, typer.Option("--into", metavar="FOLDER", help="Where the files go.")
    ] = Path("sbom"),
    json: Json = False,
) -> None:
    """Write the bill of materials of each image that runs: one file in SPDX 2.3 (JSON) for each.

    It is read from the image in the registry: Debian's packages, Python's distributions, the modules of Go programs and
    what the image is built on. The same image gives the same file.

    \b
    Example:
      aerodrome image sbom
      aerodrome image sbom airflow --env prod --into bills
    """
    from cli.cloud.image_content import ImageContent
    from cli.operations import live
    from cli.operations.bill import document, inventory, running

    session: Session = ctx.obj
    if into.exists() and not into.is_dir():
        raise UserError(f"{into} is no folder", "Name one, or one that is not there yet.")
    found = live.of(session, environment)
    written: list[dict[str, Any]] = []
    for name, reference in running.images(found, images or []).items():
        content = ImageContent(found.client("ecr"), reference)
        bill = document.of(name, content, inventory.of(content))
        into.mkdir(parents=True, exist_ok=True)
        path = into / f"{environment.name}-{name}.spdx.json"
        document.save(bill, path)
        packages = len(bill.packages) - document.NOT_INSTALLED
        written.append(
            {"image": name, "ref": str(reference), "file": str(path), "packages": packages}
        )
        session.console.report(f"{name}: {packages} packages")

    def show() -> None:
        rows = [(one["image"], str(one["packages"]), one["file"]) for one in written]
        session.console.table(("image", "packages", "file"), rows)

    session.console.result({"images": written}, show)


app.command("add")(add)
app.command("lock")(lock)
app.command("list")(list_added)
app.command("public")(public)
app.command("sbom")(sbom)

"""`aerodrome access`: Airflow's roles and users, as `access.yaml` declares them."""

from collections.abc import Mapping

import typer

from cli.base.environments import Environment
from cli.commands.options import Json, Yes, on_environment
from cli.operations import live
from cli.session import Session

app = typer.Typer(
    help="Check and apply access.yaml: Airflow's roles and users.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("check")
@on_environment
def check(ctx: typer.Context, environment: Environment, json: Json = False) -> None:
    """Check access.yaml. Nothing has to be deployed.

    Every fault is named with its line. `preview` and `up` check the same.

    \b
    Example:
      aerodrome access check
    """
    from cli.operations import access

    session: Session = ctx.obj
    found = access.require(session.backend(environment))
    data = {
        "file": found.file,
        "roles": found.roles,
        "users": found.users,
        "groups": found.groups,
    }
    numbers = [
        f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
        for noun, items in (("role", found.roles), ("user", found.users), ("group", found.groups))
        if items or noun != "group"
    ]
    text = f"{found.file} is valid: {', '.join(numbers)}"
    session.console.result(data, lambda: session.console.line(text, "bold green"))


@app.command("diff")
@on_environment
def diff(ctx: typer.Context, environment: Environment, json: Json = False) -> None:
    """Show how Airflow's roles and users differ from access.yaml. Nothing is changed.

    Permissions that a role would get begin with +, those that it would lose with -.

    \b
    Example:
      aerodrome access diff
      aerodrome access diff --env prod --json
    """
    from cli.operations import access

    session: Session = ctx.obj
    found = live.of(session, environment)
    wanted = access.require(found.backend)
    deeds = access.compare(found, wanted)
    _show(session, environment, deeds, access.WOULD, "Airflow is as access.yaml says")


@app.command("apply")
@on_environment
def apply(
    ctx: typer.Context, environment: Environment, yes: Yes = False, json: Json = False
) -> None:
    """Bring Airflow's roles and users to access.yaml, without a deployment.

    New users get a password of their own: `aerodrome config get access:USER --show`. Users who are no longer in
    the file are deactivated, and their sessions end. `up` does the same.

    \b
    Example:
      aerodrome access apply
      aerodrome access apply --env prod --yes
    """
    from cli.operations import access, deployment

    session: Session = ctx.obj
    cloud = session.cloud(environment)
    found = live.of(session, environment)
    wanted = access.require(found.backend)
    if not yes and cloud.asks:
        deeds = access.compare(found, wanted)
        _list(session, deeds, access.WOULD)
        session.console.agree(
            "Change roles and users as shown?",
            "Nothing was changed.",
            "./aerodrome access apply --yes",
        )
    planned = deployment.plan(session, environment, deployment.UpOptions())
    with deployment.alone_at_work(session, planned, "access apply"):
        deeds = access.apply(found, wanted)
    _show(session, environment, deeds, access.SAID, "Airflow was as access.yaml says already")


def _list(session: Session, deeds: Mapping[str, list[str]], said: Mapping[str, str]) -> None:
    for deed, names in deeds.items():
        for name in names:
            session.console.line(f"{name}: {said.get(deed, deed)}")


def _show(
    session: Session,
    environment: Environment,
    deeds: Mapping[str, list[str]],
    said: Mapping[str, str],
    nothing: str,
) -> None:
    differs = any(names for deed, names in deeds.items() if deed != "undeclared")

    def show() -> None:
        _list(session, deeds, said)
        if not differs:
            session.console.line(nothing, "bold green")

    data = {"environment": environment.name, "differs": differs, **deeds}
    session.console.result(data, show)

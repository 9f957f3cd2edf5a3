"""`aerodrome inventory`: what belongs to an environment in the cloud."""

import typer

from cli.base.environments import Environment
from cli.commands.options import Json, on_environment
from cli.session import Session


@on_environment
def inventory(ctx: typer.Context, environment: Environment, json: Json = False) -> None:
    """List the cloud resources of an environment.

    They are looked up in the cloud, not in the state: resources that controllers created are listed, too.
    Exit code 1 if something carries the environment's tag that the kit does not know: `down` cannot
    delete it.

    \b
    Example:
      aerodrome inventory
    """
    from cli.cloud import catalogue
    from cli.cloud.protocol import reached
    from cli.cloud.resource import Search

    session: Session = ctx.obj
    plain = session.backend(environment).plain()
    client, region = reached(session.cloud(environment), "", plain)
    found = catalogue.find(Search(client, environment.name, region))
    rows = [
        (
            f"{item.service} {item.kind}".strip(),
            item.id if item.known else f"{item.arn} (not known to this kit)",
            item.show,
        )
        for item in found
    ]

    def show() -> None:
        if rows:
            session.console.table(("kind", "name", "how to show it"), rows)
        else:
            session.console.line(f'nothing in the cloud belongs to "{environment.name}"')

    session.console.result([item.data() for item in found], show)
    if not all(item.known for item in found):
        raise typer.Exit(1)

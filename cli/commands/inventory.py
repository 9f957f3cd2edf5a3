"""`aerodrome inventory`: what belongs to an environment in the cloud."""

import typer

from cli.base.environments import Environment
from cli.commands.options import Json, on_environment
from cli.session import Session


@on_environment
def inventory(ctx: typer.Context, environment: Environment, json: Json = False) -> None:
    """List the cloud resources of an environment.

    They are looked up in the cloud, not in the state: resources that controllers created are listed, too.

    \b
    Example:
      aerodrome inventory
    """
    from cli.cloud import services
    from cli.cloud.resource import Search

    session: Session = ctx.obj
    cloud = session.cloud(environment)
    region = cloud.region("", session.backend(environment).plain())
    found = services.find(Search(cloud.client(region or None), environment.name, region))
    rows = [(f"{item.service} {item.kind}".strip(), item.id, item.show) for item in found]

    def show() -> None:
        if rows:
            session.console.table(("kind", "name", "how to show it"), rows)
        else:
            session.console.line(f'nothing in the cloud belongs to "{environment.name}"')

    session.console.result([item.data() for item in found], show)

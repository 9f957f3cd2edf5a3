"""`aerodrome inventory`: what carries an environment's tag in the cloud."""

import typer

from cli import deployment
from cli import inventory as search
from cli.environments import Environment
from cli.options import Json, on_environment
from cli.session import Session
from sandbox.errors import UserError


@on_environment
def inventory(ctx: typer.Context, environment: Environment, json: Json = False) -> None:
    """List what carries the environment's tag in the cloud.

    The cloud is asked, not the state file.

    \b
    Example:
      aerodrome inventory
    """
    session: Session = ctx.obj
    if not environment.sandboxed:
        raise UserError(
            f'The inventory of "{environment.name}" cannot be made from here yet',
            "AWS lists it by tag:",
            "aws resourcegroupstaggingapi get-resources "
            f"--tag-filters Key={search.TAG},Values={environment.name}",
        )
    client = session.client(deployment.running(session))
    found = search.inventory(client, environment.name)
    rows = [(item.kind, item.arn, item.show) for item in found]

    def show() -> None:
        if rows:
            session.console.table(("kind", "arn", "how to show it"), rows)
        else:
            session.console.line(f'nothing carries the tag of "{environment.name}"')

    session.console.result([item.data() for item in found], show)

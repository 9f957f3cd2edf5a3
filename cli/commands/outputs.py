"""`aerodrome outputs`: what the stack says of itself."""

from typing import Annotated

import typer

from cli.base.environments import Environment
from cli.commands.options import Json, on_environment
from cli.session import Session
from cli.stack.backends import clear, masked


@on_environment
def outputs(
    ctx: typer.Context,
    environment: Environment,
    show_secrets: Annotated[
        bool, typer.Option("--show-secrets", help="Show secret outputs in clear.")
    ] = False,
    json: Json = False,
) -> None:
    """Print the outputs of an environment's stack.

    \b
    Example:
      aerodrome outputs --json
    """
    session: Session = ctx.obj
    session.cloud(environment).unlock()
    found = session.backend(environment).outputs()
    visible = clear if show_secrets else masked
    data = {key: visible(value) for key, value in sorted(found.items())}
    rows = [(key, str(value)) for key, value in data.items()]

    def show() -> None:
        if rows:
            session.console.table(("output", "value"), rows)
        else:
            session.console.line(f'environment "{environment.name}" is not deployed')

    session.console.result(data, show)

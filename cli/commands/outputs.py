"""`aerodrome outputs`: what the stack says of itself."""

from typing import Annotated

import typer

from cli import environments, stack_config
from cli.backends import clear, masked
from cli.options import Env, Json
from cli.session import Session


def outputs(
    ctx: typer.Context,
    env: Env = environments.DEFAULT,
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
    environment = environments.environment(env)
    if environment.sandboxed:
        stack_config.provide_passphrase(environment)
    found = session.backend(environment).outputs()
    visible = clear if show_secrets else masked
    data = {key: visible(value) for key, value in sorted(found.items())}
    rows = [(key, str(value)) for key, value in data.items()]
    session.console.result(data, lambda: session.console.table(("output", "value"), rows))

"""`aerodrome capacity`: how many branches a base carries, and what is met first."""

from typing import Annotated

import typer

from cli.base import environments
from cli.base.errors import UserError
from cli.commands.options import Json, complete_environment
from cli.session import Session
from cli.stack import stack_config

DEFAULT = "10,100,1000"
MOST = 100_000


def capacity(
    ctx: typer.Context,
    env: Annotated[
        str,
        typer.Argument(
            metavar="BASE",
            envvar="AERODROME_BASE",
            help="The base environment, deployed or not.",
            autocompletion=complete_environment,
        ),
    ] = environments.DEFAULT,
    branches: Annotated[
        str,
        typer.Option("--branches", metavar="N[,N...]", help="For how many branches to count."),
    ] = DEFAULT,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Count with another value of a setting, such as nodeMax=40. Can be repeated.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show how many branches a base carries, what is met first, and which setting moves it.

    By its settings alone, on AWS, for branches with its executor at rest: tasks come on top, on nodes of their own
    with taskNodes. Quotas are AWS's defaults. Nothing is asked of AWS, and nothing is changed.

    \b
    Example:
      aerodrome capacity
      aerodrome capacity dev --branches 50
      aerodrome capacity dev --set nodeMax=40 --set pgbouncer=true
    """
    session: Session = ctx.obj
    counts = _counts(branches)
    environment = environments.environment(env)
    # Imported late: it reads the program's settings.
    from cli.operations.bootstrap import requested_settings
    from cli.operations.capacity import branches as capacities

    wanted = requested_settings.read(environment, assignments or ())
    if base := wanted.text(stack_config.BASE_KEY):
        raise UserError(
            f'"{env}" is a branch\'s environment, and carries none',
            f'Its base is "{base}".',
            f"./aerodrome capacity {base}",
        )
    found = capacities.of(wanted, environment.name)
    ways = {count: capacities.way_to(wanted, environment.name, count) for count in counts}
    console = session.console

    def show() -> None:
        console.line(
            f"{environment.name}: {found.executor} on workers of {found.node_type}", "bold"
        )
        console.line()
        headings, *rows = found.table(counts)
        console.table(headings, rows)
        console.line()
        first = found.first
        console.line(f"It carries {first.carries():,} branches; met first: {first.what}.")
        console.line("To be moved before there are")
        for count, moves in ways.items():
            text = "; ".join(map(str, moves)) or "nothing is in the way"
            console.line(f"  {count:,} branches: {text}")

    data = found.data(counts)
    data["moves"] = {str(count): [str(move) for move in moves] for count, moves in ways.items()}
    console.result(data, show)


def _counts(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if not (word.isascii() and word.isdigit() and 1 <= int(word) <= MOST):
            raise UserError(
                f'--branches: "{word}" is no number of branches',
                f"It takes numbers from 1 to {MOST:,}, with commas between them:",
                f"./aerodrome capacity --branches {DEFAULT}",
            )
    return sorted({int(word) for word in words})

"""`aerodrome metrics`: the health figures of an environment in the terminal."""

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.commands.options import Json, on_environment
from cli.operations import live
from cli.session import Session

if TYPE_CHECKING:
    from cli.operations.health_figures import Figure

WATCH_SECONDS = 10.0


@on_environment
def metrics(
    ctx: typer.Context,
    environment: Environment,
    hours: Annotated[
        int, typer.Option("--hours", min=1, max=336, help="How far back to look.")
    ] = 1,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show them again every 10 s, until you end it.")
    ] = False,
    json: Json = False,
) -> None:
    """Show the health figures of an environment, with small plots.

    They come from its InfluxDB, or its base's: the setting `monitoring`.

    \b
    Example:
      aerodrome metrics
      aerodrome metrics --hours 24 --json
      aerodrome metrics --watch
    """
    from cli.operations import health_figures

    session: Session = ctx.obj
    if watch and json:
        raise UserError(
            "--watch and --json exclude each other",
            "JSON is one answer.",
            "./aerodrome metrics --json",
        )
    found = live.of(session, environment)
    with health_figures.influxdb_of(found) as influxdb:
        while True:
            figures = health_figures.figures(influxdb, environment.name, hours)
            data = health_figures.as_data(environment.name, hours, figures)
            session.console.result(data, partial(_show, session, figures, hours))
            if not watch:
                return
            time.sleep(WATCH_SECONDS)


def _show(session: Session, figures: "Sequence[Figure]", hours: int) -> None:
    rows = [(one.title, _number(one.value), one.plot) for one in figures]
    session.console.table(("figure", "value", f"the last {hours} h"), rows)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"

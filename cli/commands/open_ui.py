"""`aerodrome open`: the UI, or another part of an environment, in a browser."""

import shutil
import signal
import subprocess
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import Annotated

import typer

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.commands.options import Json, on_environment
from cli.operations import live, usage
from cli.operations.live import Live
from cli.session import Session
from infra.contract import grafana


class Destination(StrEnum):
    """What can be opened."""

    airflow = "airflow"
    flower = "flower"
    grafana = "grafana"
    influxdb = "influxdb"
    kibana = "kibana"


@on_environment
def open_ui(
    ctx: typer.Context,
    environment: Environment,
    what: Annotated[
        Destination,
        typer.Argument(metavar="WHAT", help="airflow, flower, grafana, influxdb or kibana."),
    ] = Destination.airflow,
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the address, and open no browser.")
    ] = False,
    flower: Annotated[
        bool, typer.Option("--flower", help="Flower, which shows Celery's workers and tasks.")
    ] = False,
    json: Json = False,
) -> None:
    """Open Airflow's UI, Grafana or Kibana, or print an address.

    With the setting `uiHost` that is Airflow's address. Where it has none of its own (on AWS, unless a load
    balancer is configured), a port of this machine is forwarded until you end the command. Only Airflow's UI ever has one. Flower's login is
    Airflow's administrator's. Grafana and InfluxDB are the environment's, or its base's: the setting
    `monitoring`; InfluxDB is an API, and no browser is opened for it. Kibana is yours, by the setting
    `kibanaUrl`: it is opened on the environment's lines of the last day.

    \b
    Example:
      aerodrome open
      aerodrome open grafana --env prod
      aerodrome open influxdb
      aerodrome open kibana
      aerodrome open --flower
      aerodrome open --branch feature/login --print
    """
    session: Session = ctx.obj
    part = _part(what, flower)
    found = live.of(session, environment)
    usage.used(found)
    with _address(found, part) as url:
        opened = not print_only and not json and part != Destination.influxdb and _browse(url)
        session.console.result({"url": url, "opened": opened}, lambda: session.console.line(url))
        if login := _login(found, part):
            session.console.note(login)
        if not _lasts(found, part):
            session.console.note("the address works until you end this command (Ctrl-C)")
            signal.pause()


def _part(what: Destination, flower: bool) -> Destination:
    if flower and what not in (Destination.airflow, Destination.flower):
        raise UserError(
            f"Either --flower or {what}",
            "One of them is opened at a time.",
            f"./aerodrome open {what}",
        )
    return Destination.flower if flower else what


def _address(found: Live, part: Destination) -> AbstractContextManager[str]:
    from cli.operations import monitoring_access

    match part:
        case Destination.airflow:
            return nullcontext(url) if (url := found.outputs.ui_url) else found.ui()
        case Destination.flower:
            return found.flower()
        case Destination.grafana:
            return monitoring_access.grafana_ui(found)
        case Destination.influxdb:
            return monitoring_access.influxdb(found)
        case Destination.kibana:
            return monitoring_access.kibana_ui(found)


def _lasts(found: Live, part: Destination) -> bool:
    """Whether the address works without a port that this command forwards."""
    if part != Destination.airflow:
        return part == Destination.kibana
    return bool(found.outputs.ui_url or found.addresses)


def _login(found: Live, part: Destination) -> str:
    """How to get in, where it is not with Airflow's login."""
    if part not in (Destination.grafana, Destination.influxdb):
        return ""
    from cli.operations import monitoring_access

    user, key = (
        (grafana.ADMIN, "grafanaAdminPassword")
        if part == Destination.grafana
        else monitoring_access.influxdb_login(found)
    )
    owner = monitoring_access.owner_of(found)
    return f"the user is {user}, the password: ./aerodrome config get {key} --show --env {owner}"


def _browse(url: str) -> bool:
    browser = shutil.which("xdg-open")
    if browser is None:
        return False
    subprocess.run([browser, url], check=False, capture_output=True)
    return True

"""Whether an InfluxDB that is another's takes metrics: asked before anything is changed.

It is asked from this machine, and not from the cluster.
"""

from collections.abc import Sequence
from typing import Any

import httpx

from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.influxdb import InfluxDB
from cli.base.settings import qualified
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.session import Session
from cli.stack.backends import Backend, Found
from infra.contract import metrics
from infra.contract.metrics import MonitoringScope

RELEASE = "kubernetes:helm.sh/v3:Release"
URL, DATABASE, USER, PASSWORD = (
    *("influxdbUrl", "influxdbDatabase", "influxdbUser"),
    "influxdbPassword",
)


def check(
    session: Session,
    environment: Environment,
    backend: Backend,
    requested: RequestedSettings,
    there: Sequence[Found],
) -> None:
    """UserError if it does not. One that is away and was deployed with this address is reported, and no reason to stop:
    Telegraf keeps what comes."""
    url = str(requested.value(URL))
    if not url or not MonitoringScope(requested.value("monitoring")).with_metrics:
        return
    # What is missing is the program's to say: it names all of it.
    user, password = str(requested.value(USER)), str(backend.config().get(qualified(PASSWORD), ""))
    if not user or not password:
        return
    database = str(requested.value(DATABASE))
    with InfluxDB(url, database, user, password) as influxdb:
        try:
            version = influxdb.version()
        except KitError as error:
            if url in _deployed(there):
                session.console.report(f"not checked before the deployment: {error.summary}")
                return
            raise _refused(environment, URL, "ADDRESS", error.summary, error.detail) from error
        _check_version(environment, url, version)
        if said := influxdb.refusal():
            raise _no_access(environment, url, database, user, *said)


def _check_version(environment: Environment, url: str, version: str) -> None:
    if not version:
        raise _refused(
            environment, URL, "ADDRESS", f"{url} is no InfluxDB", "It does not say its version."
        )
    parts = version.split(".")
    oldest = ".".join(map(str, metrics.OLDEST_INFLUXDB))
    known = [int(part) for part in parts[:2] if part.isdigit()]
    if len(known) < 2 or not list(metrics.OLDEST_INFLUXDB) <= known < [2]:
        raise _refused(
            environment,
            URL,
            "ADDRESS",
            f"The InfluxDB at {url} is {version}",
            f"Telegraf, dashboards and alerts need {oldest} or a later 1.x.",
        )


def _no_access(
    environment: Environment, url: str, database: str, user: str, status: int, said: str
) -> UserError:
    """By what InfluxDB says: whether it is the login, the database, or what the user may."""
    where = f"The InfluxDB at {url}"
    if status == httpx.codes.UNAUTHORIZED:
        return _refused(
            environment, PASSWORD, "--secret", f"{where} refuses the login of {user}", said
        )
    if "database not found" in said:
        return _refused(environment, DATABASE, "NAME", f"{where} has no database {database}", said)
    if "retention policy" in said:
        summary = f"{where} has no default retention policy for {database}"
        return _refused(environment, DATABASE, "NAME", summary, said)
    return _refused(
        environment, USER, "NAME", f"{where} lets {user} not read and write {database}", said
    )


def _refused(
    environment: Environment, setting: str, value: str, summary: str, detail: str
) -> UserError:
    return UserError(
        summary,
        f"{detail}\nNothing was changed.".lstrip(),
        f"./aerodrome config set {setting} {value} --env {environment.name}",
    )


def _deployed(there: Sequence[Found]) -> list[str]:
    """The addresses that releases were told."""
    found = []
    for one in there:
        values: Any = one.inputs.get("values") if one.type == RELEASE else None
        part = values.get(metrics.INFLUXDB) if isinstance(values, dict) else None
        external = part.get("external") if isinstance(part, dict) else None
        if isinstance(external, dict):
            found.append(str(external.get("url", "")))
    return found

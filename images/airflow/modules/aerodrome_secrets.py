"""AWS Secrets Manager, or the Parameter Store, as the place where Airflow looks first for connections and variables (`secrets.backend`).

Processes that have Airflow's database look there: the api-server for tasks, the dag-processor for DAG files that are read, the
triggerer for triggers. Tasks have no backend but those (ADR 36), so that one answer serves many tasks for `cache_seconds`. How a
secret is read is the Amazon provider's: `aerodrome_secret_services`, which is imported with the first question, for it takes longer
than a process of Airflow that asks nothing should wait.

A service that does not answer, refuses or throttles is told in the log, and Airflow's database is asked instead. What an
environment variable says is not looked for: the chart's own connections are such.
"""

import logging
import os
import re
import threading
import time
from functools import cache
from typing import Any, Final, Protocol

from airflow.secrets import BaseSecretsBackend
from cachetools import TTLCache

CONNECTIONS: Final = "connections"
VARIABLES: Final = "variables"
CONFIG: Final = "config"

REST_SECONDS: Final = 30.0
"""A service that cannot be reached is left alone for so long: each question would wait for it. Also how often the log repeats itself."""

MOST: Final = 10_000
"""Answers that are kept."""

log: Final = logging.getLogger("airflow.aerodrome_secrets")


class Service(Protocol):
    """One of AWS's two."""

    name: str
    names: re.Pattern[str]
    """What a secret can be called there. Others are not asked for: a `:` would name another version of a parameter."""

    def read(self, path: str) -> str | None:
        """The secret's text, None if there is none of this name. `Refused` or `Unreachable` otherwise."""

    def connection(self, text: str) -> str:
        """A connection's text as Airflow reads it. ValueError if it is none."""


class Refused(Exception):
    """The service has answered, and not with a secret: its code is the text."""


class Unreachable(Exception):
    """No answer: the error's class is the text."""


class Lookup:
    """One folder of one service, with what it has answered lately."""

    def __init__(self, service: Service, folder: str, seconds: float) -> None:
        self._service = service
        self._folder = folder
        self._known: TTLCache[str, str | None] = TTLCache(MOST, seconds)
        self._lock = threading.Lock()
        self._rests_until = 0.0
        self._told: dict[str, float] = {}

    def text(self, kind: str, name: str) -> str | None:
        """What the secret says; None where Airflow's database must be asked."""
        if not self._service.names.fullmatch(name):
            return None
        path = f"{self._folder}/{kind}/{name}"
        with self._lock:
            if path in self._known:
                return self._known[path]
        if time.monotonic() < self._rests_until:
            return None
        try:
            found = self._service.read(path)
            if found and kind == CONNECTIONS:
                found = self._service.connection(found)
        except Refused as error:
            self._tell(f"{self._service.name} does not give out {path}: {error}")
            return None
        except Unreachable as error:
            self._rests_until = time.monotonic() + REST_SECONDS
            self._tell(
                f"{self._service.name} cannot be reached ({error}); not asked again for {REST_SECONDS:.0f} s"
            )
            return None
        except ValueError:
            self.damaged(name)
            return None
        with self._lock:
            self._known[path] = found
        return found

    def damaged(self, connection: str) -> None:
        """Not with the error: it would quote the secret."""
        path = f"{self._folder}/{CONNECTIONS}/{connection}"
        self._tell(f"{path} in {self._service.name} is no connection, as JSON or as an address")

    def _tell(self, what: str) -> None:
        now = time.monotonic()
        with self._lock:
            if now < self._told.get(what, 0.0):
                return
            self._told = {text: until for text, until in self._told.items() if until > now}
            self._told[what] = now + REST_SECONDS
        log.error("%s. Airflow's own database is asked instead.", what)


@cache
def lookup(service: str, folder: str, region: str, cache_seconds: float) -> Lookup:
    """One for a process: Airflow makes a backend anew for each option of its configuration."""
    from aerodrome_secret_services import SERVICES

    return Lookup(SERVICES[service](region), folder, cache_seconds)


class SecretsBackend(BaseSecretsBackend):  # type: ignore[misc]  # no Airflow where types are checked
    """`secrets.backend`, with `secrets.backend_kwargs`."""

    def __init__(self, service: str, folder: str, region: str, cache_seconds: float = 60.0) -> None:
        super().__init__()
        self._place = (service, folder, region, float(cache_seconds))

    def get_connection(self, conn_id: str, team_name: str | None = None) -> Any:
        """The connection, if there is one here that can be read."""
        value = self.get_conn_value(conn_id, team_name)
        if not value:
            return None
        try:
            return self.deserialize_connection(conn_id=conn_id, value=value)
        except Exception:
            lookup(*self._place).damaged(conn_id)
            return None

    def get_conn_value(self, conn_id: str, team_name: str | None = None) -> str | None:
        """As Airflow reads it from an environment variable."""
        return self._text(CONNECTIONS, conn_id, "AIRFLOW_CONN_")

    def get_variable(self, key: str, team_name: str | None = None) -> str | None:
        """Its text."""
        return self._text(VARIABLES, key, "AIRFLOW_VAR_")

    def get_config(self, key: str) -> str | None:
        """What an option is that names a secret, such as `smtp_password_secret`."""
        return self._text(CONFIG, key)

    def _text(self, kind: str, name: str, variables: str = "") -> str | None:
        if variables and f"{variables}{name.upper()}" in os.environ:
            return None
        return lookup(*self._place).text(kind, name)

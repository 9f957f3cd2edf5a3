"""Airflow's public REST API (version 2), as far as the proof and the teardown need it.

It knows neither Kubernetes nor AWS: what a person could do with a browser, and no more.
"""

import ssl
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from functools import cache
from threading import Lock
from typing import Any, Self
from urllib.parse import quote

import certifi
import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError

from cli.base import lifetime, log_lines
from cli.base.errors import KitError, UserError

LOGIN = "/auth/token"

BY_HAND = ("ui", "rest_api", "cli", "backfill")
"""What Airflow says of a DAG run that a person started."""

RUNS = 100
"""As many as Airflow gives at once."""

PATIENCE = 180.0
"""Seconds that a starting API server may refuse connections or answer 5xx: after a reboot
the database comes first, and then a minute of Python."""


HOSTS = 32
"""Of so many a connection is kept."""

_MAKING = Lock()


@cache
def _pools(*, secure: bool) -> urllib3.PoolManager:
    """Those of all clients, and none that reads the certificates of all authorities without need: for each of 200 Airflows that
    would take longer than the question. The machine's proxy settings, which are not looked at, are for the internet, not
    for a loopback port."""
    pools = urllib3.PoolManager(num_pools=HOSTS, maxsize=HOSTS)
    if secure:
        context = ssl.create_default_context(cafile=certifi.where())
        pools.connection_pool_kw["ssl_context"] = context
    return pools


class Airflow:
    """One Airflow, logged in as one user."""

    def __init__(
        self, url: str, username: str = "", password: str = "", *, patience: float = PATIENCE
    ) -> None:
        self.url = url.rstrip("/")
        self._login = {"username": username, "password": password}
        self._patience = patience
        # One that hangs keeps the impatient from what they do without it.
        self._timeout = min(max(patience, 10.0), 30.0)
        # The first threads would each make their own.
        with _MAKING:
            self._pools = _pools(secure=self.url.startswith("https:"))
        self._token = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Its connections are everybody's, and end with the process."""

    def health(self) -> dict[str, str]:
        """Status of every component that reports one, like {"scheduler": "healthy"}."""
        answer = self._send("GET", "/api/v2/monitor/health", login=False)
        return {
            name: str(part["status"])
            for name, part in answer.items()
            if isinstance(part, dict) and part.get("status")
        }

    def has_dag(self, dag: str) -> bool:
        return self._send("GET", f"/api/v2/dags/{quote(dag)}", missing=None) is not None

    def dags(self) -> list[dict[str, Any]]:
        """The DAGs that Airflow has a file of, each as the API has it."""
        return list(self._pages("/api/v2/dags?order_by=dag_id", "dags"))

    def latest_run(self, dag: str) -> dict[str, Any] | None:
        """The DAG's last run; None if there was none."""
        path = f"/api/v2/dags/{quote(dag)}/dagRuns?order_by=-run_after&limit=1"
        return next(iter(self._send("GET", path)["dag_runs"]), None)

    def unfinished_runs(self) -> list[dict[str, Any]]:
        """Runs that are queued or running, of DAGs whose file is gone, too."""
        path = "/api/v2/dags/~/dagRuns?state=queued&state=running&order_by=run_after"
        return list(self._pages(path, "dag_runs"))

    def task_ids(self, dag: str) -> set[str]:
        """Of the DAG as its file has it now; none if the file is gone."""
        answer = self._send("GET", f"/api/v2/dags/{quote(dag)}/tasks", missing={"tasks": []})
        return {str(task["task_id"]) for task in answer["tasks"]}

    def change_run(self, dag: str, run: str, change: Mapping[str, str]) -> None:
        """Sets a run's state, or its note."""
        self._send("PATCH", f"/api/v2/dags/{quote(dag)}/dagRuns/{quote(run)}", change)

    def unpause(self, dag: str) -> None:
        self._send("PATCH", f"/api/v2/dags/{quote(dag)}", {"is_paused": False})

    def parse_soon(self, file_token: str) -> None:
        """Has a DAG's file parsed next, after a look for a newer version of its bundle."""
        self._send("PUT", f"/api/v2/parseDagFile/{quote(file_token, safe='')}")

    def pause_all(self) -> None:
        """No DAG starts another task from here on."""
        path = "/api/v2/dags?dag_id_pattern=%25&exclude_stale=false"
        self._send("PATCH", path, {"is_paused": True})

    def import_errors(self) -> list[tuple[str, str]]:
        """(file, traceback) of the DAG files that do not import."""
        return [(str(e["filename"]), str(e["stack_trace"])) for e in self.broken_files()]

    def broken_files(self) -> list[dict[str, Any]]:
        """The import errors, each as the API has it: with its bundle and the time of the look."""
        return list(self._pages("/api/v2/importErrors?order_by=id", "import_errors"))

    def trigger(
        self, dag: str, run: str, *, date: str | None = None, conf: Mapping[str, Any] | None = None
    ) -> None:
        body = {"dag_run_id": run, "logical_date": date, **({"conf": conf} if conf else {})}
        self._send("POST", f"/api/v2/dags/{quote(dag)}/dagRuns", body)

    def run_state(self, dag: str, run: str) -> str:
        return str(self._send("GET", f"/api/v2/dags/{quote(dag)}/dagRuns/{quote(run)}")["state"])

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """The task instances of a run, in the order in which they started."""
        path = f"/api/v2/dags/{quote(dag)}/dagRuns/{quote(run)}/taskInstances?order_by=map_index"
        found = list(self._pages(path, "task_instances"))
        return sorted(found, key=lambda task: task.get("start_date") or "~")

    def ended_tasks(self, since: datetime) -> Iterator[dict[str, Any]]:
        """The last try of each task instance that ended from then on, in pages, of all DAGs."""
        moment = quote(since.astimezone(UTC).isoformat(), safe="")
        path = f"/api/v2/dags/~/dagRuns/~/taskInstances?end_date_gte={moment}&order_by=id"
        yield from self._pages(path, "task_instances")

    def unfinished(self) -> int:
        """How many task instances are queued or running, over all DAGs."""
        return self._count("queued", "running")

    def deferred(self) -> int:
        """How many task instances wait for a trigger, which may take days."""
        return self._count("deferred")

    def with_tokens(self) -> set[tuple[str, int]]:
        """The task instances that may have a token of the execution API, each with its try."""
        path = "/api/v2/dags/~/dagRuns/~/taskInstances?state=queued&state=running&state=restarting&order_by=id"
        found = self._pages(path, "task_instances")
        return {(str(one["id"]), int(one["try_number"])) for one in found}

    def token(self) -> str:
        """What Airflow has signed for this login."""
        self._headers()
        return self._token

    def accepts(self, token: str) -> bool:
        """Whether Airflow answers a request that has this token."""
        path, headers = "/api/v2/dags?limit=1", {"Authorization": f"Bearer {token}"}
        response = self._patiently("GET", path, None, headers)
        if response.status in (401, 403):
            return False
        _require_success(response, "GET", path)
        return True

    def _count(self, *states: str) -> int:
        wanted = "&".join(f"state={state}" for state in states)
        path = f"/api/v2/dags/~/dagRuns/~/taskInstances?{wanted}&limit=1"
        return int(self._send("GET", path)["total_entries"])

    def last_by_hand(self, since: date) -> date | None:
        """The day on which a person last started a DAG run; None if nobody did from `since` on.

        Airflow calls runs that another DAG starts manual too: they are none of these.
        """
        path = (
            "/api/v2/dags/~/dagRuns?run_type=manual&run_type=backfill"
            f"&run_after_gte={since.isoformat()}T00:00:00Z&order_by=-run_after&limit={RUNS}"
        )
        runs = self._send("GET", path)["dag_runs"]
        days = (run["run_after"] for run in runs if run.get("triggered_by") in BY_HAND)
        return next((lifetime.instant(day).astimezone(UTC).date() for day in days), None)

    def log(self, dag: str, run: str, task: str, attempt: int) -> list[str]:
        """The lines of a task's log, as Airflow shows them."""
        path = (
            f"/api/v2/dags/{quote(dag)}/dagRuns/{quote(run)}/taskInstances/{quote(task)}/logs/{attempt}"
            "?full_content=true"
        )
        content = self._send("GET", path)["content"]
        return list(log_lines.lines(content))

    def _pages(self, path: str, key: str) -> Iterator[dict[str, Any]]:
        """All entries of a list that comes in pages."""
        offset = 0
        while entries := self._send("GET", f"{path}&limit={RUNS}&offset={offset}")[key]:
            yield from entries
            offset += len(entries)
            if len(entries) < RUNS:
                return

    def _headers(self) -> dict[str, str]:
        if not self._token:
            answer = self._send("POST", LOGIN, self._login, login=False)
            self._token = str(answer["access_token"])
        return {"Authorization": f"Bearer {self._token}"}

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        login: bool = True,
        missing: Any = ...,
    ) -> Any:
        """One request; `missing` is the answer to 404, if that is one."""
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            **(self._headers() if login else {}),
        }
        response = self._patiently(method, path, body, headers)
        if response.status == 404 and missing is not ...:
            return missing
        if response.status == 401:
            raise UserError(
                f"Airflow at {self.url} refuses the login of {self._login['username']}",
                "The password in the configuration is not the one that Airflow has.",
                "./aerodrome up",
            )
        _require_success(response, method, path)
        return response.json()

    def _patiently(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse:
        give_up = time.monotonic() + self._patience
        while True:
            try:
                response = self._pools.request(
                    method,
                    self.url + path,
                    json=body,
                    headers=headers,
                    timeout=self._timeout,
                    retries=False,
                    redirect=False,
                )
                reason = f"it answers {response.status}"
                if response.status not in (502, 503, 504) or time.monotonic() > give_up:
                    return response
            except (NewConnectionError, ConnectTimeoutError, SSLError) as error:
                reason = str(error)
            except HTTPError as error:
                # The request may have reached Airflow; only what is safe twice is repeated.
                if method == "POST" and path != LOGIN:
                    raise KitError(f"Airflow at {self.url} broke off", str(error)) from error
                reason = str(error)
            if time.monotonic() > give_up:
                raise KitError(
                    f"Airflow at {self.url} does not answer", reason, "./aerodrome status"
                )
            time.sleep(0.5)


def _require_success(response: urllib3.BaseHTTPResponse, method: str, path: str) -> None:
    """KitError with what Airflow says."""
    if response.status >= 400:
        raise KitError(
            f"Airflow answers {response.status} to {method} {path}",
            response.data.decode(errors="replace")[:2000],
            "./aerodrome logs api-server",
        )

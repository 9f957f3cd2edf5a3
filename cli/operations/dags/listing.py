"""The deployed DAGs, and one run of one of them, as Airflow's API has them."""

import difflib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from cli.base.errors import UserError
from cli.operations.dags.rollout import reason


class Listed(Protocol):
    """What is asked of Airflow (cli.base.airflow.Airflow)."""

    def dags(self) -> list[dict[str, Any]]: ...
    def broken_files(self) -> list[dict[str, Any]]: ...
    def latest_run(self, dag: str) -> dict[str, Any] | None: ...


@dataclass(frozen=True)
class DagLine:
    """One DAG."""

    dag: str
    owner: str
    schedule: str
    paused: bool
    last_run: str
    last_state: str
    file: str
    bundle: str
    parse_seconds: float | None

    def data(self) -> dict[str, Any]:
        return {
            "dag": self.dag,
            "owner": self.owner,
            "schedule": self.schedule,
            "paused": self.paused,
            "lastRun": self.last_run,
            "lastState": self.last_state,
            "file": self.file,
            "bundle": self.bundle,
            "parseSeconds": self.parse_seconds,
        }


def dags(airflow: Listed) -> list[DagLine]:
    """All DAGs whose file Airflow has, in the order of their ids."""
    lines = []
    for dag in airflow.dags():
        run = airflow.latest_run(str(dag["dag_id"])) or {}
        lines.append(
            DagLine(
                dag=str(dag["dag_id"]),
                owner=", ".join(dag.get("owners") or ()),
                schedule=str(dag.get("timetable_summary") or ""),
                paused=bool(dag.get("is_paused")),
                last_run=str(run.get("run_after") or ""),
                last_state=str(run.get("state") or ""),
                file=str(dag.get("relative_fileloc") or ""),
                bundle=str(dag.get("bundle_name") or ""),
                parse_seconds=dag.get("last_parse_duration"),
            )
        )
    return lines


def errors(airflow: Listed) -> list[dict[str, str]]:
    """The files that Airflow does not take."""
    return [
        {
            "file": str(each["filename"]),
            "bundle": str(each["bundle_name"]),
            "reason": reason(str(each["stack_trace"])),
            "detail": str(each["stack_trace"]),
        }
        for each in airflow.broken_files()
    ]


def known(airflow: Listed, dag: str) -> dict[str, Any]:
    """The DAG. UserError with similar names, or the reason, if there is none."""
    found = {str(each["dag_id"]): each for each in airflow.dags()}
    if dag in found:
        return found[dag]
    near = difflib.get_close_matches(dag, found, n=3)
    broken = [f"{each['file']}: {each['reason']}" for each in errors(airflow)]
    detail = f"Did you mean {' or '.join(near)}?" if near else f"It has {len(found)} others."
    raise UserError(
        f'Airflow has no DAG "{dag}"', "\n".join([detail, *broken]), "./aerodrome dags list"
    )


def conf(text: str | None) -> dict[str, Any] | None:
    """The parameters of a run. UserError if they are no JSON object."""
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UserError(
            "--conf is no JSON", f"{error}.", """--conf '{"key": "value"}'"""
        ) from error
    if not isinstance(found, dict):
        raise UserError("--conf is no JSON object", "", """--conf '{"key": "value"}'""")
    return found


def date(text: str | None) -> str | None:
    """A logical date for the API: without a time zone it is in UTC. UserError if it is none."""
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
    except ValueError as error:
        raise UserError(
            f"--date {text} is no date", "Like 2027-01-31 or 2027-01-31T06:00:00+02:00."
        ) from error
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).isoformat()

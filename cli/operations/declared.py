"""Pools, variables and connections that the values declare, in an environment that is deployed.

Their change makes another migration Job, which makes them (`images/airflow/scripts/sync_declared.py`). When nothing has
changed, no Job runs, and what people have edited since would stay: so `up` runs the script once more.
"""

import json
from contextlib import suppress
from typing import Any

from cli.base.errors import KitError
from cli.cloud.kubernetes import Kubernetes
from cli.operations import jobs, migration_job
from cli.operations.live import Live

SECONDS = 300.0

_NAME = "airflow-declared"
_FILE = "declared.json"
_MARK = "declared: "
"""Of the line of the migration Job's log that holds its report."""

_KINDS = ("pools", "variables", "connections", "prune")

_SAID = {
    "created": "made",
    "changed": "changed as declared",
    "taken_over": "was there, and is as declared now",
    "drift": "had been changed by hand, and is as declared again",
    "removed": "removed: it is not declared",
    "left_out": "left out",
}


def of(kubernetes: Kubernetes) -> dict[str, Any]:
    """What is deployed, by kind; empty before there was any such thing. Secrets are references in it."""
    found = kubernetes.find("configmap", _NAME)
    declared: dict[str, Any] = json.loads((found or {}).get("data", {}).get(_FILE, "{}"))
    return {kind: declared[kind] for kind in _KINDS if declared.get(kind)}


def last_sync(live: Live) -> str:
    """The identity of the last Job that made what is declared; empty if nobody knows."""
    with suppress(KitError):
        if job := migration_job.newest(live.kubernetes):
            return str(job["metadata"]["uid"])
    return ""


def keep(live: Live, before: str) -> dict[str, list[str]]:
    """Brings Airflow to what is declared, unless a Job has done it since `before`. What was done, by kind of deed."""
    found: dict[str, list[str]] = {}
    if last_sync(live) != before:
        found = migration_job.told(live.kubernetes, _MARK)
    elif of(live.kubernetes):
        pattern = migration_job.need(live, "The pod that looks after what is declared")
        spec = migration_job.spec(pattern, "sync_declared", "declared")
        found = jobs.answer(jobs.run(live.kubernetes, f"{_NAME}-now", spec, SECONDS))
    for deed, names in found.items():
        for name in names:
            live.session.console.report(f"{name}: {_SAID.get(deed, deed)}")
    return {deed: names for deed, names in found.items() if names}

"""A push from its plan to its end, and what `up` publishes: the order of the steps, which are in `push.py`.

`up` publishes the checkout's folder, as it deploys the checkout's everything else, unless what runs was pushed from
another folder: a team whose DAGs lie in a repository of their own must not lose them to a change of the kit.
"""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cli.base.errors import KitError
from cli.operations.dags import image, push, unfinished, versions
from cli.operations.dags.push import PushPlan, Report
from cli.operations.dags.unfinished import UnfinishedRun
from cli.operations.dags.versions import SHORT, Published
from cli.operations.live import Live


@dataclass(frozen=True)
class Pushed:
    """What a push did, or would do."""

    planned: PushPlan
    changed: bool
    parsed_seconds: float | None = None
    """From the upload's begin until the running Airflow had parsed it; None if nobody waited."""

    dags: tuple[str, ...] = ()
    """Those of the changed files."""

    unfinished: tuple[UnfinishedRun, ...] = ()
    settled: tuple[str, ...] = ()
    removed: tuple[str, ...] = field(default=())
    """Old versions."""

    def data(self) -> dict[str, Any]:
        former = self.planned.former
        return {
            "version": self.planned.new.version,
            "former": former.version if former else "",
            "commit": self.planned.new.commit,
            "folder": self.planned.new.folder,
            "changed": self.changed,
            **self.planned.changes.data(),
            "dags": list(self.dags),
            "parsedSeconds": None if self.parsed_seconds is None else round(self.parsed_seconds, 2),
            "unfinishedRuns": [run.data() for run in self.unfinished],
            "settledRuns": list(self.settled),
            "removedVersions": list(self.removed),
        }


def run(
    live: Live, folder: Path, version: str, report: Report, *, dry_run: bool, wait: bool
) -> Pushed:
    """Publishes the folder, or a version that is there already. UserError before anything is changed."""
    planned = push.plan_return(live, version) if version else push.plan(live, folder)
    if not planned.changed:
        return Pushed(planned, changed=False)
    # httpx, for which the verbs that need none must not wait.
    from cli.base.airflow import PATIENCE

    with live.airflow(PATIENCE) as airflow:
        before = push.known(airflow)
        if version:
            expected = push.foreseen(planned, before)
        else:
            report("the environment's Airflow checks what has changed")
            expected = push.checked(live, folder, planned, before)
        begun = push.touched(airflow, planned, before, expected.gone)
        for item in begun:
            report(f"warning: {item.text}")
        dags = tuple(sorted({name for name, _ in expected.dags}))
        if dry_run:
            return Pushed(planned, changed=True, dags=dags, unfinished=tuple(begun))
        began = time.monotonic()
        published = push.publish(live, planned)
        report(f"version {published.version[:SHORT]} is published")
        if not wait:
            return Pushed(planned, changed=True, dags=dags, unfinished=tuple(begun))
        try:
            push.awaited(airflow, published.version, planned.changes, expected, before)
        except KitError as error:
            raise _with_way_back(error, live, planned) from error
        seconds = time.monotonic() - began
        settled = unfinished.settle(airflow, begun, report)
        removed = push.tidy(versions.of(live), airflow, published.version, datetime.now(UTC))
    return Pushed(planned, True, seconds, dags, tuple(begun), tuple(settled), tuple(removed))


def _with_way_back(error: KitError, live: Live, planned: PushPlan) -> KitError:
    if planned.former is None:
        return error
    back = f"./aerodrome dags push --version {planned.former.version[:SHORT]}{live.session.same}"
    return KitError(
        error.summary,
        f"{error.detail}\nIt is published, and its other files run. Mend them and push again; or go back:",
        back,
    )


def look(live: Live, report: Report) -> list[UnfinishedRun]:
    """What `up` would publish is told, and the runs that would not end with their code. Nothing is changed."""
    try:
        planned = push.plan(live, image.FOLDER)
        if other := _of_others(planned):
            report(_left(other))
            return []
        if not planned.changed:
            return []
        report(f"DAGs: version {planned.new.version[:SHORT]} is to be published{_told(planned)}")
        with live.airflow(unfinished.PATIENCE) as airflow:
            before = push.known(airflow)
            gone = push.foreseen(planned, before).gone
            begun = push.touched(airflow, planned, before, gone)
    except KitError as error:
        report(f"which DAGs would be published is not known: {error.summary}")
        return []
    for item in begun:
        report(f"warning: {item.text}")
    return begun


def of_checkout(live: Live, report: Report) -> str:
    """Publishes the checkout's folder, which the image's build has checked. The version; empty if it is another's."""
    planned = push.plan(live, image.FOLDER)
    if other := _of_others(planned):
        report(_left(other))
        return ""
    if planned.changed:
        push.publish(live, planned)
        report(f"DAGs: version {planned.new.version[:SHORT]} is published{_told(planned)}")
    return planned.new.version


def _of_others(planned: PushPlan) -> Published | None:
    """The version that runs, if it is not the checkout's to replace."""
    former = planned.former
    return former if former and not former.own and planned.changed else None


def _left(other: Published) -> str:
    return (
        f"DAGs: version {other.version[:SHORT]} stays, which {other.by} pushed from {other.folder}; "
        "`./aerodrome dags push` without a folder publishes this checkout's"
    )


def _told(planned: PushPlan) -> str:
    if planned.former is None:
        return f", the first: {len(planned.new.files)} files"
    changes = planned.changes
    shown = [*changes.added, *changes.changed, *changes.removed]
    more = f" and {len(shown) - 5} more" if len(shown) > 5 else ""
    return f": {', '.join(shown[:5])}{more}"

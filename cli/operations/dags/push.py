"""`dags push`: a folder of DAG files becomes the version that an environment runs, in seconds and without an image.

Planned from what is published and what is in the folder; checked by the environment's own Airflow; uploaded; and
then awaited until the running Airflow has parsed it. Runs that have begun end with the version they began with:
Airflow pins them (ADR 20). Those that cannot are named before, and settled afterwards, as by `up`.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from cli.base.errors import KitError, UserError
from cli.base.git import Checkout
from cli.base.paths import ROOT
from cli.base.settings import qualified
from cli.operations.dags import archive, check, image, unfinished, versions
from cli.operations.dags.archive import Archive, Changes
from cli.operations.dags.image import BUNDLE
from cli.operations.dags.rollout import reason
from cli.operations.dags.unfinished import Runs, UnfinishedRun
from cli.operations.dags.versions import SHORT, Pointer, Published, Versions
from cli.operations.live import Live

KEPT_DAYS = 30
KEPT_NUMBER = 5
"""Versions that nothing needs are removed when they are older than that, and not among the last of that number."""

_EXAMPLES = "examples"
_MOST_TOKENS = 20
"""Files that are asked to be parsed first; a look for the new version comes with the first of them."""

Report = Callable[[str], None]


class Pushable(Runs, Protocol):
    """What is asked of Airflow (cli.base.airflow.Airflow)."""

    def broken_files(self) -> list[dict[str, Any]]: ...
    def parse_soon(self, file_token: str) -> None: ...


@dataclass(frozen=True)
class PushPlan:
    """What a push would do; nothing is done yet."""

    new: Published
    packed: Archive | None
    """None if the version is there already."""

    read: Pointer | None
    former: Published | None
    changes: Changes

    @property
    def changed(self) -> bool:
        return self.read is None or self.read.version != self.new.version


@dataclass(frozen=True)
class KnownDags:
    """The team's DAGs as Airflow has them before a push."""

    files: Mapping[str, str]
    """Each DAG with its file."""

    tokens: Mapping[str, str] = field(repr=False)
    """What the API calls each file."""

    broken: Mapping[str, str]
    """Files that it does not take, each with the time at which it said so."""


@dataclass(frozen=True)
class Expected:
    """What the check found, for the running Airflow to confirm."""

    dags: frozenset[tuple[str, str]] = frozenset()
    """DAG and file."""

    gone: frozenset[str] = frozenset()
    """DAGs that the version does not have any more."""


@dataclass(frozen=True)
class WaitLimits:
    """Seconds without progress after which no more is expected, and between two looks."""

    idle: float = 120.0
    pause: float = 0.3


def plan(live: Live, folder: Path) -> PushPlan:
    """UserError if the folder cannot be published, or the environment's DAGs are not published at all."""
    store = versions.of(live)
    own = folder.resolve() == image.FOLDER.resolve()
    packed = archive.pack(folder, _left_out(live) if own else ())
    read = store.pointer()
    former = store.known(read.version) if read else None
    about = Published(
        version=packed.version,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        by="",
        commit=Checkout(folder).commit(),
        folder=_shown(folder, outside=folder.resolve().name),
        own=own,
        files=packed.files,
    )
    return PushPlan(about, packed, read, former, _compared(about, former))


def plan_return(live: Live, version: str) -> PushPlan:
    """To a version that is there. UserError if none is called so."""
    store = versions.of(live)
    new = store.named(version)
    read = store.pointer()
    former = store.known(read.version) if read else None
    return PushPlan(new, None, read, former, _compared(new, former))


def _compared(new: Published, former: Published | None) -> Changes:
    return archive.compare(new.files, former.files if former else {})


def _left_out(live: Live) -> Collection[str]:
    """As in the image: what the setting exampleDags says."""
    return (_EXAMPLES,) if live.backend.plain().get(qualified("exampleDags")) == "false" else ()


def _shown(folder: Path, outside: str) -> str:
    """As it is called in the project's folder; one elsewhere is `outside`."""
    whole = folder.resolve()
    return whole.relative_to(ROOT).as_posix() if whole.is_relative_to(ROOT) else outside


def known(airflow: Pushable) -> KnownDags:
    """Asked before anything is published."""
    dags = [dag for dag in airflow.dags() if dag["bundle_name"] == BUNDLE]
    broken = [each for each in airflow.broken_files() if each["bundle_name"] == BUNDLE]
    return KnownDags(
        {str(dag["dag_id"]): str(dag["relative_fileloc"]) for dag in dags},
        {str(dag["relative_fileloc"]): str(dag.get("file_token") or "") for dag in dags},
        {str(each["filename"]): str(each["timestamp"]) for each in broken},
    )


def checked(live: Live, folder: Path, planned: PushPlan, before: KnownDags) -> Expected:
    """What the version has, as the environment's own Airflow reads it. UserError with what it would not take."""
    only = _to_check(planned.changes, before)
    found = check.in_pod(live, folder, {}, only).found
    problems = [_line(each) for each in found["problems"]]
    read = {str(each["file"]) for each in found["files"]} | set(planned.changes.removed)
    dags = {
        (str(dag["dag"]), str(dag["file"]))
        for dag in found["dags"]
        if dag["file"] in planned.new.files
    }
    names = {name for name, _ in dags}
    for name, file in sorted(dags):
        other = before.files.get(name, file)
        if other != file and other not in read:
            problems.append(f'{file}: has a DAG "{name}", and so has {other}: ids must be unique')
    if problems:
        raise UserError(
            f"{len(problems)} problem{'s' if len(problems) > 1 else ''}: nothing was published",
            "\n".join(problems),
            f"./aerodrome dags check {_shown(folder, outside=str(folder))}{live.session.same}",
        )
    gone = {name for name, file in before.files.items() if file in read and name not in names}
    return Expected(frozenset(dags), frozenset(gone))


def _to_check(changes: Changes, before: KnownDags) -> set[str] | None:
    """Files to look at; None for all, because others may import what has changed."""
    dag_files = set(before.files.values())
    if not before.files or changes.removed or not dag_files.issuperset(changes.changed):
        return None
    return {*changes.changed, *changes.added}


def _line(problem: Mapping[str, Any]) -> str:
    where = f"{problem['file']}:{problem['line']}" if problem.get("line") else problem["file"]
    return f"{where}: {problem['summary']}"


def foreseen(planned: PushPlan, before: KnownDags) -> Expected:
    """The same without a check: of a version that was checked when it was first published."""
    files = planned.new.files
    changed = planned.changes.all
    return Expected(
        frozenset(
            (dag, file) for dag, file in before.files.items() if file in files and file in changed
        ),
        frozenset(dag for dag, file in before.files.items() if file not in files),
    )


def touched(
    airflow: Runs, planned: PushPlan, before: KnownDags, gone: Collection[str]
) -> list[UnfinishedRun]:
    """Unfinished runs that cannot end with the code they began with."""
    changes, files = planned.changes, before.files
    others = sorted(changes.all - set(files.values()))
    found = []
    for run in airflow.unfinished_runs():
        dag, name = str(run["dag_id"]), str(run["dag_run_id"])
        file = files.get(dag)
        if file is None:
            continue
        if dag in gone:
            # Airflow schedules nothing of a DAG that has no file, whatever version its run has.
            why = f"the DAG goes from {file}"
        elif run.get("bundle_version"):
            continue
        elif file in changes.all or others:
            why = f"{file if file in changes.all else others[0]} changes; it began before there were versions"
        else:
            continue
        left = {
            str(t["task_id"])
            for t in airflow.tasks(dag, name)
            if t["state"] not in unfinished.FINAL
        }
        found.append(UnfinishedRun(dag, name, why, tuple(sorted(left))))
    return found


def publish(live: Live, planned: PushPlan) -> Published:
    """Makes the version the one that counts. UserError if somebody else was faster."""
    store = versions.of(live)
    about = planned.new
    if planned.packed is not None:
        about = replace(about, by=_who(live))
        store.add(planned.packed, about)
    store.point(about, planned.read)
    return about


def _who(live: Live) -> str:
    """As AWS knows the caller: the end of the ARN tells people apart."""
    return str(live.client("sts").get_caller_identity()["Arn"]).rpartition(":")[2]


def awaited(
    airflow: Pushable,
    version: str,
    changes: Changes,
    expected: Expected,
    before: KnownDags,
    limits: WaitLimits = WaitLimits(),
) -> None:
    """Until the running Airflow has parsed the changed files at this version. KitError if it does not."""
    _hurry(airflow, changes, before)
    most, give_up = len(expected.dags) + len(expected.gone) + 1, time.monotonic() + limits.idle
    while True:
        present = {
            (str(dag["dag_id"]), str(dag["relative_fileloc"])): dag.get("bundle_version")
            for dag in airflow.dags()
            if dag["bundle_name"] == BUNDLE
        }
        late = sorted(
            f"{file}: DAG {dag}"
            for dag, file in expected.dags
            if present.get((dag, file)) != version
        )
        late += sorted(f"DAG {dag} is still there" for dag, _ in present if dag in expected.gone)
        if refused := _refused(airflow, changes, before):
            raise KitError(
                f"The running Airflow does not take version {version[:SHORT]}", "\n".join(refused)
            )
        if not late:
            return
        if len(late) < most:
            most, give_up = len(late), time.monotonic() + limits.idle
        if time.monotonic() > give_up:
            raise KitError(
                f"The running Airflow has not parsed all of version {version[:SHORT]}",
                "\n".join([*late, f"Nothing more was parsed for {limits.idle:.0f} seconds."]),
                "./aerodrome logs dag-processor",
            )
        time.sleep(limits.pause)


def _hurry(airflow: Pushable, changes: Changes, before: KnownDags) -> None:
    """Asks for the changed files first, and by that for a look at the pointer: it would come by itself, later."""
    wanted = [token for file, token in before.tokens.items() if token and file in changes.all]
    for token in (wanted or [token for token in before.tokens.values() if token])[:_MOST_TOKENS]:
        airflow.parse_soon(token)


def _refused(airflow: Pushable, changes: Changes, before: KnownDags) -> list[str]:
    """Changed files with an import error that is not the one from before."""
    return [
        f"{each['filename']}: {reason(str(each['stack_trace']))}"
        for each in airflow.broken_files()
        if each["bundle_name"] == BUNDLE
        and each["filename"] in changes.all
        and before.broken.get(str(each["filename"])) != str(each["timestamp"])
    ]


def tidy(store: Versions, airflow: Runs, current: str, now: datetime) -> list[str]:
    """Removes versions that are old and that nothing needs: no unfinished run, no DAG. Those removed."""
    names = store.names()
    newest = sorted(names, key=lambda name: names[name], reverse=True)[:KEPT_NUMBER]
    old = {
        name
        for name, when in names.items()
        if now - when > timedelta(days=KEPT_DAYS) and name not in newest and name != current
    }
    if not old:
        return []
    used = {
        str(item.get("bundle_version")) for item in (*airflow.unfinished_runs(), *airflow.dags())
    }
    removed = sorted(old - used)
    for name in removed:
        store.remove(name)
    return removed

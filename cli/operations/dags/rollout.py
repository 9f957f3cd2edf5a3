"""After a rollout: the running Airflow has parsed every DAG file of its image, and taken it.

The build's check cannot know everything: a Variable that the environment lacks, an executor that
it does not have. What Airflow itself says counts, and it says it only after it has parsed.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from cli.base import lifetime
from cli.base.errors import KitError
from cli.operations.dags.image import BUNDLE, DagOfImage, ImageRecord

BUNDLES = (BUNDLE, "aerodrome")
"""Those of the image (images/airflow/airflow.cfg); other bundles change without a deployment."""


class Parser(Protocol):
    """What is asked of Airflow (cli.base.airflow.Airflow)."""

    def dags(self) -> list[dict[str, Any]]: ...
    def broken_files(self) -> list[dict[str, Any]]: ...


@dataclass(frozen=True)
class ParseLimits:
    """Seconds in which one more file must be parsed, and between two looks."""

    idle: float = 180.0
    pause: float = 1.0


def check(
    airflow: Parser,
    record: ImageRecord | None,
    since: datetime,
    report: Callable[[str], None],
    limits: ParseLimits = ParseLimits(),
    version: str = "",
) -> None:
    """Waits until all files were parsed since `since`, the team's at `version`, if they have versions.

    KitError with those that Airflow does not take.
    """
    missing = _wait(airflow, record.dags if record else (), since, limits, version)
    broken = [each for each in airflow.broken_files() if each["bundle_name"] in BUNDLES]
    if broken:
        raise KitError(
            f"The running Airflow does not take {_count(broken)}",
            "\n".join(f"{each['filename']}: {reason(each['stack_trace'])}" for each in broken)
            + "\nEverything else was deployed. Mend them, or give Airflow the Variables and Connections\n"
            "that they ask for while they are imported; then:",
            "./aerodrome up",
        )
    if missing:
        # Airflow records nothing of a file whose import crashes, or is killed for its length.
        raise KitError(
            f"The running Airflow has not parsed {_count(missing)}",
            "\n".join(f"{each.file}: DAG {each.dag}" for each in missing)
            + f"\nNothing more was parsed for {limits.idle:.0f} seconds.",
            "./aerodrome logs dag-processor",
        )
    if record:
        report(f"{len(record.dags)} DAGs parsed by the running Airflow, no import error")


def _wait(
    airflow: Parser,
    wanted: Collection[DagOfImage],
    since: datetime,
    limits: ParseLimits,
    version: str,
) -> list[DagOfImage]:
    """The DAGs that are still not parsed when nothing moves any more."""
    before, give_up = len(wanted) + 1, time.monotonic() + limits.idle
    while True:
        parsed = {
            (dag["bundle_name"], dag["dag_id"]): dag.get("last_parsed_time")
            for dag in airflow.dags()
            if not version or dag["bundle_name"] != BUNDLE or dag.get("bundle_version") == version
        }
        refused = {(each["bundle_name"], each["filename"]) for each in airflow.broken_files()}
        left = [
            each
            for each in wanted
            if (each.bundle, each.file) not in refused
            and not _later(parsed.get((each.bundle, each.dag)), since)
        ]
        if len(left) < before:
            before, give_up = len(left), time.monotonic() + limits.idle
        if not left or time.monotonic() > give_up:
            return left
        time.sleep(limits.pause)


def _later(when: str | None, since: datetime) -> bool:
    return when is not None and lifetime.instant(when) >= since


def _count(items: Collection[Any]) -> str:
    return f"{len(items)} DAG file" + ("s" if len(items) > 1 else "")


def reason(trace: str) -> str:
    """The line of a traceback that says what happened."""
    lines = [line.strip() for line in trace.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def started(pod: Mapping[str, Any]) -> datetime:
    """When a pod was started: what it parses, it parses later."""
    return lifetime.instant(str(pod["status"]["startTime"]))

"""What a pod of a task tells as metrics, each once."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.images.loading import script

figures = script("pod_figures")
CREATED = "2026-01-01T00:00:00Z"


def event(kind: str = "MODIFIED", uid: str = "u", **status: Any) -> dict[str, Any]:
    metadata = {"uid": uid, "creationTimestamp": CREATED}
    return {"type": kind, "raw_object": {"metadata": metadata, "status": status}}


def running(*seconds: int, **end: str) -> list[dict[str, Any]]:
    """Statuses of containers that began so long after the pod was made; with a reason, they have ended."""
    name = "terminated" if end else "running"
    return [
        {"state": {name: {"startedAt": f"2026-01-01T00:00:{one:02}Z", **end}}} for one in seconds
    ]


def told(*events: dict[str, Any]) -> list[tuple[str, timedelta | None]]:
    seen = figures.Figures()
    return [one for each in events for one in seen.of(each)]


def test_a_pod_has_started_when_its_last_container_has() -> None:
    waiting = {"state": {"waiting": {"reason": "ContainerCreating"}}}
    assert told(
        event("ADDED"),
        event(containerStatuses=[*running(3), waiting]),
        event(containerStatuses=running(3, 8)),
        event(containerStatuses=running(3, 8, reason="Completed")),
    ) == [(figures.STARTED, timedelta(seconds=8))]


def test_one_that_began_and_ended_between_two_events_has_started_too() -> None:
    assert told(event(containerStatuses=running(2, reason="OOMKilled"))) == [
        (figures.STARTED, timedelta(seconds=2)),
        (figures.OOM_KILLED, None),
    ]


@pytest.mark.parametrize(
    "status",
    [
        {"reason": "Evicted", "phase": "Failed"},
        {"conditions": [{"type": "DisruptionTarget", "status": "True"}]},
    ],
)
def test_an_eviction_counts_once(status: dict[str, Any]) -> None:
    assert told(event(**status), event(**status), event("DELETED", **status)) == [
        (figures.EVICTED, None)
    ]


def test_what_a_watch_finds_there_has_been_sent_before() -> None:
    status = {"containerStatuses": running(2, reason="OOMKilled")}
    assert not told(event("ADDED", **status), event(**status))


def test_pods_are_apart_and_forgotten_when_they_are_gone() -> None:
    seen = figures.Figures()
    for uid in ("one", "two"):
        assert list(seen.of(event(uid=uid, containerStatuses=running(1))))
        assert not list(seen.of(event("DELETED", uid=uid, containerStatuses=running(1))))
    assert not seen._sent


@pytest.mark.parametrize(
    "status", [{}, {"containerStatuses": None}, {"containerStatuses": [{"state": None}]}]
)
def test_a_pod_that_nobody_has_looked_at_tells_nothing(status: dict[str, Any]) -> None:
    assert not told(event(**status))

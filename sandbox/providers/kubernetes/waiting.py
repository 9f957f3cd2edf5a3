"""Waits until objects are ready, or gone, and says why when they do not get there.

Used by `lifecycle.py` and `helm/`. It asks again at growing intervals: on loopback that
costs less than the threads that watches would take.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.errors import CloudError
from sandbox.providers.kubernetes import diagnosis
from sandbox.providers.kubernetes.client import Client, identity
from sandbox.providers.kubernetes.kinds import Kind
from sandbox.providers.kubernetes.readiness import Readiness, State, assess
from sandbox.providers.kubernetes.telling import Tell, nobody

DEFAULT_SECONDS = 600.0
"""As pulumi-kubernetes: ten minutes."""

PATIENCE_SECONDS = 60.0
"""How long a pod may be in the same trouble (no image, no node, crashing) before it counts as
hopeless: pulls are retried and volumes appear meanwhile."""

_TOLD_IN_FULL = 2
"""How many objects' stories are told in full: others mostly fail for the same reason."""

_TELL_EVERY = 15.0
"""Seconds between two messages on what is missing: most things are ready before the first."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 1.0
_LOOK_AT_PODS_EVERY = 3.0

Object = dict[str, Any]


class NotReady(CloudError):
    """`live` maps positions of the objects waited for to what they are now."""

    def __init__(self, summary: str, reasons: Sequence[str], live: Mapping[int, Object]) -> None:
        super().__init__(summary, "\n".join(reasons))
        self.reasons = list(reasons)
        self.live = live


class StillThere(CloudError):
    """A deletion did not come to an end."""


@dataclass
class _Waited:
    """One object on its way."""

    live: Object
    readiness: Readiness
    troubled_since: dict[str, float] = field(default_factory=dict)
    """When each pod's trouble was seen first, by the pod's uid."""

    trouble: str = ""
    """What the last look at its pods found."""

    @property
    def title(self) -> str:
        kind, namespace, name = identity(self.live)
        return f"{kind.kind} {namespace}/{name}" if namespace else f"{kind.kind} {name}"


class Waiter:
    """Waits on one cluster until `cancelled` is set. Safe across threads."""

    def __init__(
        self,
        client: Client,
        cancelled: threading.Event,
        clock: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE_SECONDS,
        tell: Tell = nobody,
    ) -> None:
        self._client = client
        self._cancelled = cancelled
        self._clock = clock
        self._patience = patience
        self._tell = tell

    def until_ready(self, objects: Sequence[Object], seconds: float) -> list[Object]:
        """`objects` as they are when all are ready. NotReady if that does not happen."""
        waited = [_Waited(live, assess(live, self._client)) for live in objects]
        deadline = self._clock() + seconds
        next_look = self._clock() + _LOOK_AT_PODS_EVERY
        next_word = self._clock() + _TELL_EVERY
        pause = _FIRST_PAUSE
        while True:
            open_ones = [w for w in waited if w.readiness.state is not State.READY]
            if not open_ones:
                return [w.live for w in waited]
            failed = [w for w in open_ones if w.readiness.state is State.FAILED]
            if self._clock() >= next_look and not failed:
                failed = [w for w in open_ones if self._hopeless(w)]
                next_look = self._clock() + _LOOK_AT_PODS_EVERY
            if not failed and self._clock() >= next_word:
                self._tell(f"Waiting: {_missing(open_ones)}")
                next_word = self._clock() + _TELL_EVERY
            if failed:
                raise self._not_ready("failed", failed, open_ones, waited)
            if self._clock() >= deadline:
                problem = f"not ready after {seconds:.0f} seconds"
                raise self._not_ready(problem, open_ones, open_ones, waited)
            if self._cancelled.wait(pause):
                raise self._not_ready("given up: cancelled", open_ones, open_ones, waited)
            pause = min(pause * 1.5, _LONGEST_PAUSE)
            for one in open_ones:
                self._refresh(one)

    def until_gone(self, kind: Kind, namespace: str, name: str, uid: str, seconds: float) -> None:
        """Return once the object with `uid` is away; StillThere says what holds it."""
        deadline = self._clock() + seconds
        next_word = self._clock() + _TELL_EVERY
        pause = _FIRST_PAUSE
        while True:
            live = self._client.get(kind, namespace, name)
            if live is None or (uid and live["metadata"].get("uid") != uid):
                return
            if self._clock() >= deadline:
                raise StillThere(
                    f"{kind.kind} {name} is still being deleted after {seconds:.0f} seconds",
                    "\n".join(_holders(live)),
                )
            if self._clock() >= next_word:
                self._tell(f"Waiting for {kind.kind} {name} to go: {'; '.join(_holders(live))}")
                next_word = self._clock() + _TELL_EVERY
            if self._cancelled.wait(pause):
                raise StillThere(f"{kind.kind} {name} is being deleted", "Cancelled meanwhile.")
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _refresh(self, one: _Waited) -> None:
        kind, namespace, name = identity(one.live)
        live = self._client.get(kind, namespace, name)
        if live is None:
            one.readiness = Readiness(State.FAILED, "it was deleted while it was waited for")
            return
        one.live = live
        one.readiness = assess(live, self._client)

    def _hopeless(self, one: _Waited) -> bool:
        now = self._clock()
        found = diagnosis.troubles(self._client, one.live)
        one.trouble = found[0].reason if found else ""
        one.troubled_since = {t.uid: one.troubled_since.get(t.uid, now) for t in found}
        return any(now - since >= self._patience for since in one.troubled_since.values())

    def _not_ready(
        self,
        problem: str,
        named: Sequence[_Waited],
        open_ones: Sequence[_Waited],
        waited: Sequence[_Waited],
    ) -> NotReady:
        titles = ", ".join(one.title for one in named)
        reasons: list[str] = []
        for number, one in enumerate(named):
            if one.readiness.reason:
                reasons.append(f"{one.title}: {one.readiness.reason}")
            tell = diagnosis.report if number < _TOLD_IN_FULL else diagnosis.in_short
            reasons += tell(self._client, one.live)
        others = [one for one in open_ones if one not in named]
        reasons += [f"Also not ready: {one.title}: {one.readiness.reason}" for one in others]
        live = {index: one.live for index, one in enumerate(waited)}
        return NotReady(f"{titles}: {problem}", diagnosis.unique(reasons), live)


def _missing(open_ones: Sequence[_Waited]) -> str:
    """What is missing, and which pod's fault it is, in one line."""
    first = open_ones[0]
    words = f"{first.title}: {first.readiness.reason}"
    if first.trouble:
        words += f". {first.trouble}"
    others = len(open_ones) - 1
    return words + (f" (and {others} more)" if others else "")


def _holders(live: Object) -> list[str]:
    """What keeps an object from going away."""
    metadata = live.get("metadata") or {}
    lines = []
    if metadata.get("finalizers"):
        lines.append(f"Finalizers that nobody removed: {', '.join(metadata['finalizers'])}")
    status = live.get("status") or {}
    for entry in status.get("conditions") or ():
        if entry.get("status") == "True" and entry.get("message"):
            lines.append(f"{entry.get('reason')}: {entry['message']}")
    spec_finalizers = (live.get("spec") or {}).get("finalizers")
    if spec_finalizers and not lines:
        lines.append(f"Finalizers: {', '.join(spec_finalizers)}")
    return lines or ["It has no finalizers: its controller may be away."]

"""Progress for people: a line for each change, and the totals at the end.

An event listener that writes to a stream. On a terminal the last lines show what is under
way; elsewhere only finished steps are printed. Secrets are shown as [secret].
"""

import os
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, TextIO

from sandbox.engine.applying.events import (
    Diagnostic,
    Ended,
    Event,
    PhaseDone,
    PhaseStarted,
    StepDone,
    StepFailed,
    StepStarted,
)
from sandbox.engine.live_lines import LiveLines
from sandbox.engine.model import urn as urns
from sandbox.engine.model.step import Change, Op, StepSummary
from sandbox.wire.values import UNKNOWN, Output, Secret

_SIGNS = {
    Op.SAME: " ",
    Op.CREATE: "+",
    Op.UPDATE: "~",
    Op.REPLACE: "+-",
    Op.DELETE: "-",
    Op.READ: ">",
    Op.REFRESH: "~",
    Op.IMPORT: "=",
}
_COLORS = {"+": "32", "~": "33", "+-": "35", "-": "31", ">": "36", "=": "36"}
_WOULD = {
    Op.CREATE: "to create",
    Op.UPDATE: "to update",
    Op.REPLACE: "to replace",
    Op.DELETE: "to delete",
    Op.READ: "read",
    Op.IMPORT: "to import",
    Op.SAME: "unchanged",
    Op.REFRESH: "to refresh",
}
_DID = {
    Op.CREATE: "created",
    Op.UPDATE: "updated",
    Op.REPLACE: "replaced",
    Op.DELETE: "deleted",
    Op.READ: "read",
    Op.IMPORT: "imported",
    Op.SAME: "unchanged",
    Op.REFRESH: "refreshed",
}
_MOST_LINES = 8


class Display:
    """A listener; `Display(sys.stderr)` for people."""

    def __init__(self, stream: TextIO, *, diff: bool = False, verbose: bool = False) -> None:
        self._stream = stream
        self._diff = diff
        self._verbose = verbose
        self._color = _is_live(stream) and not os.environ.get("NO_COLOR")
        self._live = LiveLines(stream, self._progress) if _is_live(stream) else None
        self._running: dict[str, tuple[Op, float]] = {}
        self._counts: Counter[Op] = Counter()
        self._words = _DID
        self._done = 0
        self._failed = 0
        self._expected = 0
        self._began = 0.0

    def __call__(self, event: Event) -> None:
        with self._live.held() if self._live else nullcontext():
            self._show(event)
        if self._live is not None:
            match event:
                case PhaseStarted():
                    self._live.start()
                case PhaseDone() | Ended():
                    self._live.stop()

    def _show(self, event: Event) -> None:
        match event:
            case PhaseStarted():
                self._running.clear()
                self._counts.clear()
                self._done, self._failed, self._expected = 0, 0, event.expected
                self._words = _WOULD if event.preview else _DID
                self._began = time.monotonic()
                self._line(self._bold(_title(event.name)))
            case StepStarted():
                self._running[event.urn] = (event.op, time.monotonic())
            case StepDone():
                self._running.pop(event.step.urn, None)
                self._done += 1
                self._counts[event.step.op] += 1
                self._step(event.step)
            case StepFailed():
                self._running.pop(event.urn, None)
                self._failed += 1
                self._line(self._paint("31", f"  ! {_label(event.urn)} failed"))
            case Diagnostic():
                self._diagnostic(event)
            case PhaseDone():
                self._totals(event)

    def _progress(self) -> list[str]:
        """What is under way: a line for each resource, the longest first, and a bar."""
        now = time.monotonic()
        running = list(self._running.items())
        lines = []
        for urn, (op, since) in running[:_MOST_LINES]:
            sign = _SIGNS[op]
            lines.append(f"  {sign:2} {_label(urn)} ... {now - since:.0f}s")
        if len(running) > _MOST_LINES:
            lines.append(f"     and {len(running) - _MOST_LINES} more")
        total = max(self._expected, self._done + len(running))
        filled = 20 * self._done // max(total, 1)
        bar = "#" * filled + "." * (20 - filled)
        counts = _counts(self._counts, self._words, self._failed)
        lines.append(f"  [{bar}] {self._done}/{total}  {now - self._began:.0f}s  {counts}".rstrip())
        return lines

    def _step(self, step: StepSummary) -> None:
        if step.op is Op.SAME and not self._verbose:
            return
        sign = _SIGNS[step.op]
        keys = f"  [{', '.join(step.keys)}]" if step.keys and step.op is not Op.CREATE else ""
        seconds = f"  {step.seconds:.1f}s" if step.seconds >= 0.1 else ""
        retained = "  [retain]" if step.retained else ""
        text = f"  {sign:2} {step.type} {step.name}{keys}{retained}{seconds}"
        self._line(self._paint(_COLORS.get(sign, "0"), text))
        if self._diff:
            for change in step.changes:
                self._line(f"       {_change(change)}")

    def _diagnostic(self, event: Diagnostic) -> None:
        if event.ephemeral and not self._verbose:
            return
        where = f"{urns.name_of(event.urn)}: " if urns.is_urn(event.urn) else ""
        mark = {"warning": "warning: ", "error": "error: "}.get(event.severity, "")
        for line in f"{where}{mark}{event.message}".splitlines():
            self._line(f"     {line}")

    def _totals(self, event: PhaseDone) -> None:
        counts = _counts(event.changes, self._words, self._failed)
        nothing = "stopped before anything was done" if event.failed else "nothing to do"
        self._line(f"  {counts or nothing}  ({event.seconds:.1f}s)")
        if event.outputs and not event.preview and event.name != "destroy":
            self._line(self._bold("Outputs"))
            for key in sorted(event.outputs):
                self._line(f"  {key}: {show(event.outputs[key])}")

    def _line(self, text: str) -> None:
        if self._live is not None:
            self._live.clear()
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def _bold(self, text: str) -> str:
        return self._paint("1", text)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color else text


def _is_live(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _counts(changes: Mapping[Op, int], words: Mapping[Op, str], failed: int) -> str:
    parts = [f"{changes[op]} {words[op]}" for op in _SIGNS if changes.get(op, 0)]
    return ", ".join([*parts, f"{failed} failed"] if failed else parts)


def show(value: Any) -> str:
    """A value for people, on one line."""
    match value:
        case Secret():
            return "[secret]"
        case Output():
            return "[secret]" if value.secret else show(value.value)
        case dict():
            return "{" + ", ".join(f"{k}: {show(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(show, value)) + "]"
    return "[unknown]" if value is UNKNOWN else str(value)


def _change(change: Change) -> str:
    sign = {"add": "+", "delete": "-", "update": "~"}[change.kind]
    mark = "  (replaces)" if change.replaces else ""
    if change.kind == "add":
        return f"{sign} {change.path}: {show(change.new)}{mark}"
    if change.kind == "delete":
        return f"{sign} {change.path}: {show(change.old)}{mark}"
    return f"{sign} {change.path}: {show(change.old)} => {show(change.new)}{mark}"


def _label(urn: str) -> str:
    return f"{urns.type_of(urn)} {urns.name_of(urn)}" if urns.is_urn(urn) else urn


def _title(name: str) -> str:
    return {
        "preview": "Previewing",
        "up": "Updating",
        "refresh": "Refreshing",
        "destroy": "Destroying",
    }.get(name, name)

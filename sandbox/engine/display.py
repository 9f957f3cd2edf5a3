"""Progress for people: a line for each change, and the totals at the end.

An event listener that writes to a stream. On a terminal the last line shows what is under
way; elsewhere only finished steps are printed. Secrets are shown as [secret].
"""

import os
import time
from typing import Any, TextIO

from sandbox.engine.applying.events import (
    Diagnostic,
    Event,
    PhaseDone,
    PhaseStarted,
    StepDone,
    StepFailed,
    StepStarted,
)
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
_WIDTH = 100


class Display:
    """A listener; `Display(sys.stderr)` for people."""

    def __init__(self, stream: TextIO, *, diff: bool = False, verbose: bool = False) -> None:
        self._stream = stream
        self._diff = diff
        self._verbose = verbose
        self._live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._color = self._live and not os.environ.get("NO_COLOR")
        self._running: dict[str, tuple[Op, float]] = {}
        self._done = 0
        self._expected = 0
        self._drawn = 0.0

    def __call__(self, event: Event) -> None:
        match event:
            case PhaseStarted():
                self._running.clear()
                self._done, self._expected = 0, event.expected
                self._line(self._bold(_title(event.name)))
            case StepStarted():
                self._running[event.urn] = (event.op, time.monotonic())
            case StepDone():
                self._running.pop(event.step.urn, None)
                self._done += 1
                self._step(event.step)
            case StepFailed():
                self._running.pop(event.urn, None)
                self._line(self._paint("31", f"  ! {_label(event.urn)} failed"))
            case Diagnostic():
                self._diagnostic(event)
            case PhaseDone():
                self._totals(event)
        self._status()

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
        words = _WOULD if event.preview else _DID
        parts = [f"{event.changes[op]} {words[op]}" for op in _SIGNS if event.changes.get(op, 0)]
        summary = ", ".join(parts) or "nothing to do"
        self._line(f"  {summary}  ({event.seconds:.1f}s)")
        if event.outputs and not event.preview and event.name != "destroy":
            self._line(self._bold("Outputs"))
            for key in sorted(event.outputs):
                self._line(f"  {key}: {show(event.outputs[key])}")

    def _line(self, text: str) -> None:
        prefix = "\r\x1b[K" if self._live else ""
        self._stream.write(f"{prefix}{text}\n")
        self._stream.flush()

    def _status(self) -> None:
        """One line about what is under way, on a terminal, at most ten times a second."""
        if not self._live:
            return
        now = time.monotonic()
        if not self._running:
            self._stream.write("\r\x1b[K")
        elif now - self._drawn > 0.1:
            self._drawn = now
            waiting = [
                f"{urns.name_of(urn)} {now - since:.0f}s"
                for urn, (_, since) in list(self._running.items())[:4]
            ]
            total = max(self._expected, self._done + len(self._running))
            filled = 20 * self._done // max(total, 1)
            bar = "#" * filled + "." * (20 - filled)
            text = f"  [{bar}] {self._done}/{total}  {', '.join(waiting)}"
            self._stream.write(f"\r\x1b[K{text[:_WIDTH]}")
        self._stream.flush()

    def _bold(self, text: str) -> str:
        return self._paint("1", text)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color else text


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

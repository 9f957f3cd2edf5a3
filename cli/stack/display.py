"""Progress for people: a line for each change, and the totals at the end.

On a terminal the last lines show what is under way; elsewhere only finished steps are printed.
"""

import os
import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import TextIO

from cli.base.live_lines import LiveLines
from cli.stack.events import Done, Event, Failed, Message, Started, Step, Summary, name_of

_SIGNS = {
    "create": "+",
    "update": "~",
    "replace": "+-",
    "create-replacement": "++",
    "delete-replaced": "--",
    "delete": "-",
    "read": ">",
    "import": "=",
    "refresh": "~",
    "discard": "<",
    "same": " ",
}
_COLORS = {
    "+": "32",
    "++": "32",
    "~": "33",
    "+-": "35",
    "-": "31",
    "--": "31",
    ">": "36",
    "=": "36",
}
_SILENT = ("same", "read", "refresh")
_MOST_LINES = 8
_NOISE = ("using pulumi-resource-", "using pulumi-language-")
"""The engine warns of plugins on the PATH: which the sandbox's are, on purpose."""


class Display:
    """Shows the events of one operation."""

    def __init__(self, stream: TextIO, title: str) -> None:
        live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._stream = stream
        self._color = live and not os.environ.get("NO_COLOR")
        self._live = LiveLines(stream, self._progress) if live else None
        self._running: dict[str, tuple[Step, float]] = {}
        self._done = 0
        self._began = time.monotonic()
        self._line(self._paint("1", title))
        if self._live is not None:
            self._live.start()

    def show(self, event: Event) -> None:
        with self._live.held() if self._live else nullcontext():
            self._show(event)

    def end(self) -> None:
        """No event follows."""
        if self._live is not None:
            self._live.stop()

    def _show(self, event: Event) -> None:
        match event:
            case Started(step):
                self._running[step.urn] = (step, time.monotonic())
            case Done(step):
                _, since = self._running.pop(step.urn, (step, time.monotonic()))
                self._done += 1
                self._step(step, time.monotonic() - since)
            case Failed(step):
                self._running.pop(step.urn, None)
                self._line(self._paint("31", f"  ! {step.type} {step.name} failed"))
            case Message():
                self._message(event)
            case Summary():
                totals = counts(event.changes) or "nothing to do"
                self._line(f"  {totals}  ({time.monotonic() - self._began:.1f}s)")

    def _step(self, step: Step, seconds: float) -> None:
        if step.op in _SILENT:
            return
        sign = _SIGNS.get(step.op, "?")
        keys = f"  [{', '.join(step.changed)}]" if step.changed and step.op != "create" else ""
        took = f"  {seconds:.1f}s" if seconds >= 0.1 else ""
        text = f"  {sign:2} {step.type} {step.name}{keys}{took}"
        self._line(self._paint(_COLORS.get(sign, "0"), text))

    def _message(self, message: Message) -> None:
        if message.ephemeral or message.severity == "debug" or not message.text.strip():
            return
        if message.is_consequence or any(noise in message.text for noise in _NOISE):
            return
        where = f"{name_of(message.urn)}: " if message.urn else ""
        lines = f"{where}{message.text}".splitlines()
        # The end of a failed run says all of an error.
        for line in lines[:1] if message.is_error else lines:
            self._line(f"     {line}")

    def _progress(self) -> list[str]:
        """What is under way: a line for each resource, the longest first."""
        now = time.monotonic()
        running = list(self._running.values())
        lines = [
            f"  {_SIGNS.get(step.op, '?'):2} {step.type} {step.name} ... {now - since:.0f}s"
            for step, since in running[:_MOST_LINES]
        ]
        if len(running) > _MOST_LINES:
            lines.append(f"     and {len(running) - _MOST_LINES} more")
        lines.append(f"  {self._done} done  {now - self._began:.0f}s")
        return lines

    def _line(self, text: str) -> None:
        if self._live is not None:
            self._live.clear()
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color else text


def counts(changes: Mapping[str, int]) -> str:
    """Like `3 create, 40 same`."""
    order = [*_SIGNS, *sorted(set(changes) - set(_SIGNS))]
    return ", ".join(f"{changes[op]} {op}" for op in order if changes.get(op))

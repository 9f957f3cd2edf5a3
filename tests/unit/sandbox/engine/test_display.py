"""What people see: live lines on a terminal, finished steps elsewhere."""

import io
import re
import time
from collections.abc import Iterable

import pytest

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
from sandbox.engine.display import Display
from sandbox.engine.model.step import Op, StepSummary
from sandbox.wire.values import Secret

URN = "urn:pulumi:dev::shop::fake:index:Thing::a"
OTHER = "urn:pulumi:dev::shop::fake:index:Thing::b"


class Terminal(io.StringIO):
    """A terminal, as far as it goes: what is on the screen after all that was written."""

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        lines = [""]
        for part in re.split("(\x1b\\[[0-9]*[A-Za-z]|\\r|\\n)", self.getvalue()):
            if part == "\n":
                lines.append("")
            elif part.endswith("A") and part.startswith("\x1b["):
                # Up, then everything below is cleared: that is all that is ever done.
                del lines[-int(part[2:-1]) - 1 :]
                lines.append("")
            elif part not in ("\r", "\x1b[J") and not part.endswith("m"):
                lines[-1] += part
        return [line for line in lines if line]


def created(urn: str = URN) -> StepDone:
    return StepDone(StepSummary(Op.CREATE, urn, "fake:index:Thing", urn[-1], seconds=2.0))


def told(stream: io.StringIO, events: Iterable[Event]) -> Display:
    display = Display(stream)
    for event in events:
        display(event)
    return display


def done(*, failed: bool = False, count: int = 1) -> PhaseDone:
    return PhaseDone("up", False, {Op.CREATE: count}, {"x": 1, "p": Secret("s")}, 3.0, failed)


def test_elsewhere_only_what_is_finished() -> None:
    stream = io.StringIO()
    told(stream, [PhaseStarted("up", False, 2), StepStarted(Op.CREATE, URN), created(), done()])
    assert stream.getvalue() == (
        "Updating\n  +  fake:index:Thing a  2.0s\n  1 created  (3.0s)\n"
        "Outputs\n  p: [secret]\n  x: 1\n"
    )


def test_a_terminal_shows_each_resource_in_flight_with_its_time_and_a_bar() -> None:
    terminal = Terminal()
    events = [PhaseStarted("up", False, 4), StepStarted(Op.CREATE, URN)]
    display = told(terminal, [*events, StepStarted(Op.UPDATE, OTHER)])
    time.sleep(0.22)
    assert terminal.screen() == [
        "Updating",
        "  +  fake:index:Thing a ... 0s",
        "  ~  fake:index:Thing b ... 0s",
        "  [....................] 0/4  0s",
    ]
    display(created())
    time.sleep(0.22)
    assert terminal.screen() == [
        "Updating",
        "  +  fake:index:Thing a  2.0s",
        "  ~  fake:index:Thing b ... 0s",
        "  [#####...............] 1/4  0s  1 created",
    ]
    display(done())
    assert terminal.screen()[2:] == ["  1 created  (3.0s)", "Outputs", "  p: [secret]", "  x: 1"]


def test_nothing_is_drawn_after_the_end() -> None:
    terminal = Terminal()
    told(terminal, [PhaseStarted("up", False, 4), StepStarted(Op.CREATE, URN), Ended()])
    before = terminal.getvalue()
    time.sleep(0.22)
    assert terminal.getvalue() == before
    assert terminal.screen() == ["Updating"]


def test_more_than_fit_are_counted() -> None:
    terminal = Terminal()
    started = [StepStarted(Op.CREATE, f"{URN}{number}") for number in range(11)]
    display = told(terminal, [PhaseStarted("up", False, 11), *started])
    time.sleep(0.22)
    assert terminal.screen()[-2] == "     and 3 more"
    display(Ended())


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_color(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    events = [PhaseStarted("up", False, 1), created(), done()]
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    told(colored := Terminal(), events)
    assert "\x1b[32m" in colored.getvalue()
    monkeypatch.setenv(name, value)
    told(plain := Terminal(), events)
    assert not re.search("\x1b\\[[0-9]*m", plain.getvalue())
    assert plain.screen() == colored.screen()


def test_a_failure_is_counted() -> None:
    stream = io.StringIO()
    failed = [StepFailed(Op.CREATE, URN, "refused"), Diagnostic("error", "why", URN)]
    told(stream, [PhaseStarted("up", False), *failed, done(failed=True, count=0)])
    assert (
        "  ! fake:index:Thing a failed\n     a: error: why\n  1 failed  (3.0s)" in stream.getvalue()
    )

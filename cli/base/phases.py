"""Long verbs are made of phases: each is announced, timed and listed at the end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cli.base.console import Console


@dataclass
class Phases:
    """The phases of one run of a verb, in order."""

    console: Console
    total: int
    before: float | None = None
    """Seconds of the set-up that came before, for the table."""

    times: list[tuple[str, float]] = field(default_factory=list)
    _begun: int = 0

    def __post_init__(self) -> None:
        if self.before is not None:
            self.times.append(("set-up", self.before))

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Announces `name` and takes its time, also when it fails."""
        self._begun += 1
        self.console.note(f"[{self._begun}/{self.total}] {name}", "bold")
        started = time.monotonic()
        try:
            yield
        finally:
            self.times.append((name, time.monotonic() - started))

    @contextmanager
    def longer(self) -> Iterator[None]:
        """Adds its time to the last phase, whose end it is."""
        name, seconds = self.times.pop()
        started = time.monotonic()
        try:
            yield
        finally:
            self.times.append((name, seconds + time.monotonic() - started))

    @contextmanager
    def between(self, name: str) -> Iterator[None]:
        """Takes the time of what is no phase: it has a row in the table and no number."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.times.append((name, time.monotonic() - started))

    def skip_to(self, number: int) -> None:
        """The next phase has this number: an earlier run did those before it."""
        self._begun = number - 1

    @property
    def seconds(self) -> float:
        return sum(seconds for _, seconds in self.times)

    def data(self) -> list[dict[str, str | float]]:
        return [{"name": name, "seconds": round(seconds, 2)} for name, seconds in self.times]

    def show(self) -> None:
        """The table of times."""
        rows = [(name, f"{seconds:7.1f} s") for name, seconds in self.times]
        self.console.table(("phase", "   time"), [*rows, ("total", f"{self.seconds:7.1f} s")])

"""The report of a teardown, step by step: printed while it runs, and kept for the result."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cli.base.phases import Phases


@dataclass
class StepResult:
    """One step."""

    name: str
    deleted: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def data(self) -> dict[str, Any]:
        return {"name": self.name, "deleted": self.deleted, "notes": self.notes}


@dataclass
class Report:
    """The steps so far; the last one is at work."""

    phases: Phases
    whose: str = ""
    """The environment, where several go in one run."""

    steps: list[StepResult] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Reports inside the block belong to the step `name`."""
        self.steps.append(StepResult(name))
        with self.phases.phase(f"{self.whose}: {name}" if self.whose else name):
            yield

    def say(self, text: str) -> None:
        """Prints progress that is of no interest afterwards."""
        self.phases.console.report(text)

    def deleted(self, what: str) -> None:
        self.steps[-1].deleted.append(what)
        self.say(f"deleted {what}")

    def note(self, text: str) -> None:
        """Records what the user should know: what was skipped, or did not end in time."""
        self.steps[-1].notes.append(text)
        self.say(text)

    def log_line(self, line: str) -> None:
        """Prints a line of a program that reports its own deletions."""
        if line.startswith("deleted "):
            self.deleted(line.removeprefix("deleted "))
        else:
            self.note(line)

"""What happens during an operation, told to whoever listens: displays, `--json`, tests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.engine.model.step import Op, StepSummary


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """A pass begins: preview, up, refresh or destroy."""

    name: str
    preview: bool
    expected: int = 0
    """About how many resources there will be; 0 if nobody knows."""


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A provider is being asked to do something that can take time."""

    op: Op
    urn: str


@dataclass(frozen=True, slots=True)
class StepDone:
    """Done, or in a preview: would be."""

    step: StepSummary
    preview: bool = False


@dataclass(frozen=True, slots=True)
class StepFailed:
    """A step ended with an error; `message` holds no secret."""

    op: Op
    urn: str
    message: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """Something that the program or a provider says. `severity` as in logging, lower case."""

    severity: str
    message: str
    urn: str = ""
    ephemeral: bool = False
    """Only of interest while the resource is worked on."""


@dataclass(frozen=True, slots=True)
class PhaseDone:
    """A pass is over; outputs with secrets wrapped."""

    name: str
    preview: bool
    changes: Mapping[Op, int]
    outputs: Mapping[str, Any]
    seconds: float
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """The operation is over, whatever came of it: nothing more will be told."""


Event = PhaseStarted | StepStarted | StepDone | StepFailed | Diagnostic | PhaseDone | Ended
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A listener that does not listen."""

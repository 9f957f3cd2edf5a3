"""What all rotations in several steps share: where one is, and a list of stages, each of which is configured, then deployed.

What is configured says how far one is, so whoever finds it under way goes on from there, on any machine.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol, TypeVar

from cli.base.errors import UserError
from cli.stack.rotation import RENEWED, Rotation, record

Stage = TypeVar("Stage")
Report = Callable[[str], None]


class Recorded(Protocol):
    """An environment that remembers a rotation of one secret while it is under way."""

    def under_way(self) -> Rotation | None: ...
    def begin(self, begun: Rotation) -> None:
        """Writes down what is about to begin."""

    def today(self) -> date: ...


@dataclass(frozen=True)
class Course:
    """The rotation to walk through."""

    rotation: Rotation
    resumed: bool


def begin_or_resume(
    installation: Recorded,
    start: Callable[[], Rotation],
    ended: Callable[[Rotation], bool],
    report: Report,
) -> Course:
    """The one that is under way, or else what `start` makes, which raises UserError before anything is changed.

    One of another day that has only its record left is none: a fresh checkout has the configuration of the last
    deployment, which was a part of it. `ended` says so.
    """
    found = installation.under_way()
    earlier = found is not None and not found.began.startswith(installation.today().isoformat())
    if found is None or (earlier and ended(found)):
        begun = start()
        installation.begin(begun)
        return Course(begun, resumed=False)
    report(f"the rotation that began {found.began} is continued")
    return Course(found, resumed=True)


def position(configured: Stage, stages: Sequence[Stage], which: str) -> int:
    """The number of the stage that is configured; UserError if it is none of the rotation `which`."""
    try:
        return stages.index(configured)
    except ValueError:
        raise UserError(
            f"{RENEWED[which]} was changed while its rotation was under way",
            "What is configured is not what the rotation has set. Nothing was changed. Set it back to what it was, "
            "which is in the configuration's history, or give the rotation up, which leaves what is configured:",
            f"./aerodrome config rm {record(which)}",
        ) from None


def walk(
    stages: Sequence[Stage],
    at: int,
    configure: Callable[[Stage], None],
    deploy: Callable[[int], None],
) -> Iterator[int]:
    """From the stage that is configured, number `at`, to the last. Each that is deployed is yielded.

    The one that is configured is deployed again: nobody knows whether it was. That of before the rotation is not.
    """
    for number in range(max(at, 1), len(stages)):
        if number > at:
            configure(stages[number])
        deploy(number)
        yield number

"""A rotation as a list of stages, each of which is configured, then deployed: what all rotations share.

What is configured says how far one is, so whoever finds it under way goes on from there, on any machine.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Stage = TypeVar("Stage")
Report = Callable[[str], None]


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

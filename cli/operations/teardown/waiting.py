"""Waiting for something to be gone, and no longer than its time box."""

import time
from collections.abc import Callable, Iterable, Sequence


def until_none(
    look: Callable[[], Sequence[str]],
    seconds: float,
    pause: float,
    report: Callable[[str], None],
    before: Iterable[str] = (),
) -> list[str]:
    """Looks until nothing is there any more. What is left when the time is up.

    Each deletion is reported once; `before` are those that were there before the first look.
    """
    give_up = time.monotonic() + seconds
    known = set(before)
    while True:
        left = list(look())
        for gone in sorted(known - set(left)):
            report(gone)
        known = set(left)
        if not left or time.monotonic() >= give_up:
            return left
        time.sleep(pause)

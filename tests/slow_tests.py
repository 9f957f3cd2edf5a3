"""Tests marked `slow` where there is not time for all of them: who comes too late is skipped, and named.

Each commit begins with another of their files, so that none is always the last.
"""

import os
import time

import pytest

UNTIL = "AERODROME_SLOW_TESTS_UNTIL"
"""In seconds since 1970: from then on none begins. Without it all of them run."""

FIRST = "AERODROME_SLOW_TESTS_FIRST"
"""A number; the next one begins with the next file."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if UNTIL not in os.environ or not all(_is_slow(item) for item in items):
        return
    files = list(dict.fromkeys(item.path for item in items))
    if files:
        first = int(os.environ.get(FIRST, "0")) % len(files)
        place = {file: number for number, file in enumerate(files[first:] + files[:first])}
        items.sort(key=lambda item: place[item.path])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    until = os.environ.get(UNTIL)
    if until and _is_slow(item) and time.time() >= float(until):
        # With the file in it: pytest tells one line for each reason.
        file = item.path.relative_to(item.config.rootpath)
        pytest.skip(f"NOT RUN, for it is too late (`make test` has no such limit): {file}")


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None

"""Starts a sandbox of its own, beside whatever else is on the machine, and takes it away."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.host import Host, look
from tests.end_to_end.kit import BUILD_SECONDS, UP_SECONDS, Kit, own_kit


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    places = [place for place, item in enumerate(items) if here in item.path.parents]
    for place, item in zip(places, sorted((items[n] for n in places), key=_order), strict=True):
        items[place] = item
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.end_to_end)
            builds = item.path.name == "test_monitoring.py"
            item.add_marker(pytest.mark.timeout(2 * BUILD_SECONDS if builds else 900))
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="a sandbox needs root"))


def _order(item: pytest.Item) -> int:
    """Branches live on the sandbox of the main job: after its first `up`, before anything is broken."""
    if item.path.name in LATER:
        return 1
    main_job = item.path.name == "test_journey.py"
    return 2 if main_job and not item.name.startswith(FIRST) else 0


LATER = ("test_branches.py", "test_examples.py", "test_faults.py", "test_monitoring.py")
FIRST = ("test_up_from_nothing_ends_with_a_green_run",)


@pytest.fixture(scope="session")
def kit() -> Iterator[Kit]:
    with own_kit("e2e") as kit:
        yield kit


@pytest.fixture(scope="session")
def before(kit: Kit) -> Host:
    """The machine before the first test."""
    return look(kit.name, kit.folder)


@pytest.fixture(scope="session")
def first(kit: Kit, before: Host) -> dict[str, Any]:
    """The first `up`, from nothing."""
    found: dict[str, Any] = kit.json("up", seconds=UP_SECONDS)
    return found

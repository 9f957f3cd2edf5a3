"""Starts a sandbox of its own, beside whatever else is on the machine, and takes it away."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.host import Host, look
from tests.end_to_end.kit import Kit, free_port


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.end_to_end)
            item.add_marker(pytest.mark.timeout(600))
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="a sandbox needs root"))


@pytest.fixture(scope="module")
def kit() -> Iterator[Kit]:
    # Short: the paths of Unix sockets end at 108 characters.
    folder = Path(tempfile.mkdtemp(prefix="e2e-"))
    kit = Kit(f"e2e-{os.getpid()}", folder, free_port())
    kit.temporary.mkdir()
    yield kit
    kit.run("sandbox", "down", "--force", seconds=180)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def before(kit: Kit) -> Host:
    """The machine before the first test."""
    return look(kit.name, kit.folder)

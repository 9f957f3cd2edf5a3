"""One world for all tests of a file: its API server knows Karpenter's kinds, its emulator notes what IAM is asked."""

from collections.abc import Iterator

import pytest

from sandbox import tools
from sandbox.errors import UserError
from tests.task_nodes.world import World, new_world

IDLE_SECONDS, MAX, DISK_GB = 20, 4, 50
CONFIG = {
    "taskNodeMax": str(MAX),
    "taskNodeSpot": "true",
    "taskNodeIdleSeconds": str(IDLE_SECONDS),
    "nodeDiskGb": str(DISK_GB),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    try:
        tools.karpenter_program("controller")
        tools.karpenter()
    except UserError:
        pytest.skip("set-up has not been run for the tests")
    with new_world(tmp_path_factory.mktemp("task-nodes"), CONFIG) as found:
        yield found

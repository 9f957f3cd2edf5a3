"""One emulator for the tests of a module, and a stack of the real Pulumi CLI on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.promises.aws_cloud import AwsStack, Emulator, Proxy, running_emulator


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running_emulator(tmp_path_factory.mktemp("promises") / "aws") as running:
        yield running


@pytest.fixture
def stack(tmp_path: Path, emulator: Emulator) -> Iterator[AwsStack]:
    made = AwsStack(tmp_path, emulator)
    yield made
    if made.checkpoint.exists():
        made.destroy()


@pytest.fixture
def proxy(emulator: Emulator) -> Iterator[Proxy]:
    made = Proxy(emulator.url)
    yield made
    made.close()

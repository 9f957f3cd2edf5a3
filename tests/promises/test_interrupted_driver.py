"""`kill -9` of the command line itself, and the same command at once: Pulumi is still ending its steps then."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.base.paths import ROOT
from tests.promises.aws_cloud import AwsStack, Emulator, Proxy, running_emulator
from tests.promises.test_interrupted import NOTHING, PROGRAM, WHOLE, world

pytestmark = pytest.mark.slow

STARTER = """
import json, sys
from pathlib import Path
from tests.promises.aws_cloud import AwsStack, Emulator
folder, url, key, proxy, operation = sys.argv[1:]
getattr(AwsStack(Path(folder), Emulator(url, json.loads(key)), proxy), operation)()
"""
WAITING = "still finishes the steps of an interrupted run: waiting for it"
PATIENCE = 60


@pytest.fixture
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running_emulator(tmp_path_factory.mktemp("driver") / "aws") as running:
        yield running


class Slow:
    """An answer that comes when the next run says that it waits. `begun`: the cloud has carried the call out."""

    def __init__(self, stack: AwsStack, operation: str) -> None:
        self.stack = stack
        self.operation = operation
        self.begun = threading.Event()

    def __call__(self, operation: str) -> None:
        if operation == self.operation and not self.begun.is_set():
            self.stack.shown.truncate(0)
            self.begun.set()
            until = time.monotonic() + PATIENCE
            while WAITING not in self.stack.shown.getvalue() and time.monotonic() < until:
                time.sleep(0.05)


def killed(stack: AwsStack, folder: Path, proxy: Proxy, operation: str, call: str) -> None:
    """A command line of its own, killed while the cloud answers slowly."""
    slow = proxy.after = Slow(stack, call)
    arguments = (stack.emulator.url, json.dumps(stack.emulator.key), proxy.url, operation)
    with (
        (folder / "printed").open("w") as printed,
        subprocess.Popen(
            [sys.executable, "-c", STARTER, str(folder), *arguments],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=printed,
        ) as process,
    ):
        assert slow.begun.wait(PATIENCE), (folder / "printed").read_text()
        process.kill()


@pytest.mark.parametrize("call", ["CreateVpc", "CreateUser"])
def test_the_same_command_at_once_waits_and_goes_on(
    tmp_path: Path, emulator: Emulator, proxy: Proxy, call: str
) -> None:
    stack = AwsStack(tmp_path, emulator, proxy.url)
    stack.program(PROGRAM)
    killed(stack, tmp_path, proxy, "up", call)
    stack.up()
    assert WAITING in stack.shown.getvalue()
    assert "unlocked" not in stack.shown.getvalue()
    assert world(emulator.client) == WHOLE
    assert stack.up().changed == 0
    killed(stack, tmp_path, proxy, "destroy", "DeleteSubnet")
    stack.destroy()
    assert WAITING in stack.shown.getvalue()
    assert world(emulator.client) == NOTHING

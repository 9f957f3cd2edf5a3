"""`kill -9` of a plugin in the middle of a call: Pulumi forgets what it was creating; the kit does not."""

import io
import re
from pathlib import Path

import pytest

from cli.base.errors import KitError
from tests.promises.aws_cloud import AwsStack, Emulator, Proxy
from tests.promises.processes import kill_descendants
from tests.promises.test_interrupted import NOTHING, PROGRAM, WHOLE, world

# In the order in which the program makes them.
OPERATIONS = ["CreateVpc", "CreateSubnet", "PUT /logs-.*", "CreateUser", "CreateAccessKey"]


class PluginKiller:
    """Kills the plugin when the emulator has carried out an operation, before the answer goes out."""

    def __init__(self, operation: str) -> None:
        self.operation = operation

    def __call__(self, operation: str) -> None:
        if re.fullmatch(self.operation, operation):
            assert kill_descendants("sandbox.providers.aws")


def test_an_up_whose_plugin_was_killed_is_finished_by_the_next(
    tmp_path: Path, emulator: Emulator, proxy: Proxy
) -> None:
    """Each run settles what the last one left, and goes on until the plugin is killed again."""
    stack = AwsStack(tmp_path, emulator, proxy.url)
    stack.program(PROGRAM)
    for operation in OPERATIONS:
        proxy.after = PluginKiller(operation)
        with pytest.raises(KitError):
            stack.up()
        assert "a plugin exited unexpectedly" in stack.shown.getvalue(), operation
        stack.shown = io.StringIO()
    proxy.after = lambda operation: None
    stack.up()
    assert world(emulator.client) == WHOLE
    assert stack.up().changed == 0
    stack.destroy()
    assert world(emulator.client) == NOTHING


def test_what_a_killed_plugin_made_is_taken_away_by_destroy(
    tmp_path: Path, emulator: Emulator, proxy: Proxy
) -> None:
    stack = AwsStack(tmp_path, emulator, proxy.url)
    stack.program(PROGRAM)
    proxy.after = PluginKiller("CreateSecurityGroup")
    with pytest.raises(KitError):
        stack.up()
    proxy.after = lambda operation: None
    stack.destroy()
    assert world(emulator.client) == NOTHING


def test_a_destroy_whose_plugin_was_killed_is_finished_by_the_next(
    tmp_path: Path, emulator: Emulator, proxy: Proxy
) -> None:
    stack = AwsStack(tmp_path, emulator, proxy.url)
    stack.program(PROGRAM)
    stack.up()
    proxy.after = PluginKiller("DeleteSubnet")
    with pytest.raises(KitError):
        stack.destroy()
    proxy.after = lambda operation: None
    stack.destroy()
    assert world(emulator.client) == NOTHING

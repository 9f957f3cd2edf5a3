"""`kill -9` of the CLI on a stack whose state is not on this machine, as on AWS: only the CLI reaches it."""

from dataclasses import replace
from pathlib import Path

from cli.stack.place import Place
from tests.promises.aws_cloud import AwsStack, Emulator, Proxy
from tests.promises.test_interrupted import NOTHING, PROGRAM, WHOLE, emulator, killed, world

__all__ = ["emulator"]


class StackElsewhere(AwsStack):
    """The driver knows neither where the state nor where the locks are."""

    def place(self, **more: str) -> Place:
        return replace(super().place(**more), state=None, create="")

    @property
    def checkpoint(self) -> Path:
        found = super().place().checkpoint
        assert found is not None
        return found


def test_the_next_run_unlocks_and_finishes_it(
    tmp_path: Path,
    emulator: Emulator,
    proxy: Proxy,
) -> None:
    stack = StackElsewhere(tmp_path, emulator, proxy.url)
    stack.program(PROGRAM)
    stack.driver().create("passphrase")
    killed(stack, proxy, "CreateSubnet", "up")
    assert stack.deployment()["pending_operations"]
    stack.up()
    assert world(emulator.client) == WHOLE
    assert stack.up().changed == 0
    killed(stack, proxy, "DeleteSubnet", "destroy")
    stack.destroy()
    assert world(emulator.client) == NOTHING

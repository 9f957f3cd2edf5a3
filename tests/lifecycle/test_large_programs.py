"""What a resource costs does not grow with their number."""

from pathlib import Path
from typing import Any

COUNT = 150

PROGRAM = """
import asyncio

wait = asyncio.wait

async def counted(*arguments, **options):
    with open({file!r}, "a") as rounds:
        rounds.write(".")
    return await wait(*arguments, **options)

asyncio.wait = counted
for number in range({count}):
    pulumi.ComponentResource("test:index:Component", f"component-{{number}}")
"""


def test_the_sdk_does_not_wait_for_all_that_is_left_once_for_each_resource(
    stack: Any, tmp_path: Path
) -> None:
    rounds = tmp_path / "rounds"
    rounds.touch()
    stack.up(PROGRAM.format(file=str(rounds), count=COUNT))
    assert len(stack.resources()) == COUNT + 1
    assert len(rounds.read_text()) <= 2

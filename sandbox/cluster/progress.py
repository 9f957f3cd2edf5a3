"""Progress events of long work. The caller decides how to show them."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

State = Literal["started", "done", "failed"]


@dataclass(frozen=True)
class Progress:
    """One step began or ended."""

    step: str
    state: State
    seconds: float = 0.0
    detail: str = ""


Report = Callable[[Progress], None]


@contextlib.contextmanager
def step(report: Report, name: str) -> Iterator[None]:
    """Report the beginning and the end of what happens inside."""
    report(Progress(name, "started"))
    begun = time.monotonic()
    try:
        yield
    except BaseException as error:
        report(Progress(name, "failed", time.monotonic() - begun, str(error).split("\n")[0]))
        raise
    report(Progress(name, "done", time.monotonic() - begun))

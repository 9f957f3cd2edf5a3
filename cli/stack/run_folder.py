"""A folder for what one run of the Pulumi CLI writes besides its state: the events, and files of its plugins.

Pulumi's kubernetes provider leaves a kubeconfig there for each of its clients. The folder bears the number of
this process, so that one that was killed is known by its folder, which the next run removes.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.stack.processes import has_ended

_PREFIX = "aerodrome-pulumi-"
_OWNER = re.compile(rf"{_PREFIX}(\d+)-")


@contextmanager
def made() -> Iterator[Path]:
    """One that is gone when the block ends."""
    _remove_of_the_dead(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(
        prefix=f"{_PREFIX}{os.getpid()}-", ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def is_of_the_dead(text: str) -> bool:
    """Whether a path, or a command line with one, is of a run folder whose process has ended."""
    owner = _OWNER.search(text)
    return bool(owner and has_ended(owner[1]))


def _remove_of_the_dead(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        if is_of_the_dead(folder.name):
            shutil.rmtree(folder, ignore_errors=True)

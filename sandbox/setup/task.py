"""A piece of set-up as data, and how one calls other programs."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.errors import KitError


class Log:
    """The file that a task's programs write to. Its last lines explain a failure."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        self.path = path
        self._expected = 0
        self._before = 0

    def run(
        self, argv: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] = {}
    ) -> None:
        """Run a program to its end; KitError with its last lines if it fails."""
        command = [str(word) for word in argv]
        with self.path.open("a") as output:
            output.write(f"$ {' '.join(command)}\n")
            output.flush()
            done = subprocess.run(
                command,
                cwd=cwd,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode != 0:
            raise KitError(
                f"{Path(command[0]).name} failed with status {done.returncode}",
                f"{self.last_lines()}\nAll of its output: {self.path}",
            )

    def expect(self, packages: int) -> None:
        """From here on the programs list what they have compiled: a package a line, so many in all."""
        self._expected, self._before = packages, self._lines()

    def progress(self) -> str:
        """Like "1,240 of 2,766 packages"; empty if nothing was expected."""
        if not self._expected:
            return ""
        done = min(self._lines() - self._before, self._expected)
        return f"{done:,} of {self._expected:,} packages"

    def _lines(self) -> int:
        """Those that name a package: not the command itself, nor what Go says, for example of a download."""
        lines = self.path.read_bytes().splitlines()
        return sum(not line.startswith((b"$ ", b"go: ", b"# ")) for line in lines)

    def last_lines(self, count: int = 15) -> str:
        """The end of the log, indented."""
        lines = self.path.read_text(errors="replace").splitlines()[-count:]
        return "\n".join(f"  {line}" for line in lines)


@dataclass(frozen=True)
class Task:
    """One thing that must be on the machine. `run` is called only if `done` says no."""

    name: str
    title: str
    done: Callable[[], bool]
    run: Callable[[Log], None]
    after: Sequence[str] = field(default_factory=tuple)


@contextmanager
def made_whole(target: Path) -> Iterator[Path]:
    """A folder to fill, renamed to `target` only if all went well.

    So whatever bears a content hash is complete, however often set-up was killed.
    """
    part = target.with_name(f"{target.name}.part")
    if part.exists():
        shutil.rmtree(part)
    part.mkdir(parents=True)
    yield part
    part.rename(target)

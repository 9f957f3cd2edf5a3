"""One run of the Pulumi CLI, from its start to its end.

The CLI gets a process group of its own and files for its output. So Ctrl-C at the terminal
reaches it once, through here, and not its plugins; and if this process is killed the CLI loses
no pipe in the middle of a step: it is interrupted (Linux), saves its state and ends.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cli.base.errors import UserError

PATIENCE_SECONDS = 300.0
"""How long an interrupted CLI may take to end its steps before it is interrupted for good."""

_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Ended:
    """How a run of the CLI ended."""

    code: int
    stdout: str
    stderr: str
    interrupted: bool = False
    """By the user."""

    timed_out: bool = False
    stopped: bool = False
    """Because `look` wanted it."""

    @property
    def failure_text(self) -> str:
        """The output that explains a failure: the errors, or else the standard output."""
        return self.stderr.strip() or self.stdout.strip()


@dataclass(frozen=True)
class Cli:
    """How the CLI is started for one environment."""

    executable: str
    variables: Mapping[str, str]
    """All of its environment variables."""

    folder: Path
    """Where it runs: that of a Pulumi.yaml."""

    def run(
        self,
        *words: str,
        given: str = "",
        seconds: float | None = None,
        look: Callable[[], bool] | None = None,
        note: Callable[[str], None] | None = None,
    ) -> Ended:
        """Runs it to its end; a failure is a result, not an exception.

        `given` is its standard input: secrets go there, never among the words. `look` is called
        again and again while it runs; when it answers True, or after `seconds`, the CLI is interrupted.
        """
        executable = shutil.which(self.executable, path=self.variables.get("PATH", os.defpath))
        if executable is None:
            raise UserError(
                f"The Pulumi CLI cannot be started: {self.executable}",
                "There is no such program, or it may not be run.",
                "./aerodrome doctor",
            )
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = _start([executable, *words], self, given, out, err)
            waiting = _Waiting(process, seconds, look, note)
            code = waiting.to_the_end()
            return Ended(
                code,
                _text(out),
                _text(err),
                waiting.interrupted,
                waiting.timed_out,
                waiting.stopped,
            )


class _Waiting:
    """For one process; passes interruptions on."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        seconds: float | None,
        look: Callable[[], bool] | None,
        note: Callable[[str], None] | None,
    ) -> None:
        self._process = process
        self._until = None if seconds is None else time.monotonic() + seconds
        self._look = look
        self._note = note or (lambda text: None)
        self._asked = 0.0
        self.interrupted = False
        self.timed_out = False
        self.stopped = False

    def to_the_end(self) -> int:
        while True:
            try:
                return self._wait()
            except KeyboardInterrupt:
                self._note(
                    "interrupted: Pulumi finishes the steps in progress, and saves the state"
                    if not self.interrupted
                    else "interrupted again: Pulumi abandons the steps in progress"
                )
                self.interrupted = True
                self._interrupt()

    def _wait(self) -> int:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(_POLL_SECONDS)
                self._seen()
                return code
            self._seen()
            now = time.monotonic()
            if self._until is not None and now > self._until and not self._asked:
                self.timed_out = True
                self._interrupt()
            elif self._asked and now - self._asked > PATIENCE_SECONDS:
                self._interrupt()

    def _seen(self) -> None:
        if self._look is not None and self._look() and not self.stopped:
            self.stopped = True
            if self._process.poll() is None:
                self._interrupt()

    def _interrupt(self) -> None:
        self._asked = time.monotonic()
        self._process.send_signal(signal.SIGINT)


def _start(
    command: Sequence[str], cli: Cli, given: str, out: IO[bytes], err: IO[bytes]
) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [*_with_parent(), *command],
        cwd=cli.folder,
        env=dict(cli.variables),
        stdin=subprocess.PIPE if given else subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        start_new_session=True,
    )
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError), process.stdin as stream:
            stream.write(given.encode())
    return process


def _with_parent() -> list[str]:
    """What lets a program be interrupted when this process ends, where the system has it (Linux).

    Not between fork and exec of our own: libraries with threads, gRPC's above all, do not survive a fork.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "INT", "--"] if setpriv else []


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")

"""The program's process: started early, given its configuration late, listened to."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sandbox.engine.applying.events import Diagnostic, Listener

_LAUNCHER = Path(__file__).with_name("language_exec.py")
_LINE_LIMIT = 1 << 24


@dataclass(frozen=True, slots=True)
class ProgramSettings:
    """How a program is run."""

    python: Path
    root_directory: Path
    """Where Pulumi.yaml lies."""

    directory: Path
    """Where the program lies: the project's `main`."""

    project: str
    stack: str
    organization: str
    environment: Mapping[str, str]


class Program:
    """One run of the program, from start to exit."""

    def __init__(self, settings: ProgramSettings, listener: Listener) -> None:
        self._settings = settings
        self._listener = listener
        self._process: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        self.stderr: list[str] = []

    async def start(self, address: str, *, dry_run: bool, parallel: int) -> None:
        """Start it: it imports the SDK and waits for `configure`."""
        settings = self._settings
        arguments = {
            "monitor": address,
            "engine": address,
            "project": settings.project,
            "root_directory": str(settings.root_directory),
            "stack": settings.stack,
            "pwd": str(settings.directory),
            "dry_run": "true" if dry_run else "false",
            "parallel": str(parallel),
            "organization": settings.organization,
        }
        options = [part for key, value in arguments.items() for part in (f"--{key}", value)]
        self._process = await asyncio.create_subprocess_exec(
            str(settings.python),
            "-u",
            str(_LAUNCHER),
            *options,
            ".",
            cwd=settings.directory,
            env=dict(settings.environment),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
            # Ctrl-C is for the engine alone: it finishes what the program has begun.
            start_new_session=True,
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        self._readers = [
            asyncio.create_task(self._relay(self._process.stdout, "info")),
            asyncio.create_task(self._relay(self._process.stderr, "info", self.stderr)),
        ]

    async def configure(self, values: Mapping[str, str], secret_keys: Sequence[str]) -> None:
        """Let it begin."""
        assert self._process is not None and self._process.stdin is not None
        line = json.dumps({"values": dict(values), "secret_keys": list(secret_keys)}) + "\n"
        with suppress(BrokenPipeError, ConnectionResetError):
            self._process.stdin.write(line.encode())
            await self._process.stdin.drain()
            self._process.stdin.close()

    async def wait(self) -> int:
        """Its exit code, once it ended and all it said was passed on."""
        assert self._process is not None
        code = await self._process.wait()
        await asyncio.wait(self._readers, timeout=1.0)
        return code

    def interrupt(self) -> None:
        """Tell it to end; it does at once."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def _relay(
        self, stream: asyncio.StreamReader, severity: str, kept: list[str] | None = None
    ) -> None:
        while line := await stream.readline():
            text = line.decode(errors="replace").rstrip("\n")
            if kept is not None:
                kept.append(text)
                del kept[:-50]
            self._listener(Diagnostic(severity, text))


def default_python() -> Path:
    """For programs without a virtual environment of their own: ours."""
    return Path(sys.executable)

"""The supervisor: it starts processes in dependency order, restarts them and reports their state.

It must not know what the processes are: that is `composition`. It runs inside `init`, which
tells it of every child that ended, because only one place may call wait.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.cluster.readiness import answers
from sandbox.cluster.supervisor_states import READY, RESTARTING, STARTING, WAITING
from sandbox.errors import EngineBug
from sandbox.process import Process

_PROBE_SECONDS = 0.05
_FIRST_DELAY = 0.2
_LONGEST_DELAY = 10.0
_CALM_SECONDS = 30.0
"""A process that ran this long had no fault in its start: the next delay is the first again."""

_LOG_LIMIT = 20 * 1024 * 1024


@dataclass
class Watched:
    """One process, and what the supervisor knows of it now."""

    process: Process
    state: str = WAITING
    pid: int = 0
    """In the supervisor's own pid namespace; 0 while it is not running."""

    restarts: int = 0
    seconds: float = 0.0
    """From the supervisor's start until the process was ready for the first time."""

    last_exit: str = ""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Supervisor:
    """`run` until `stop`. `changed` is called with every change of any state."""

    def __init__(
        self,
        processes: Sequence[Process],
        logs: Path,
        environment: Mapping[str, str],
        changed: Callable[[Sequence[Watched]], None],
    ) -> None:
        check_order(processes)
        self.watched = {process.name: Watched(process) for process in processes}
        self._logs = logs
        self._environment = dict(environment)
        self._changed = changed
        self._started = time.monotonic()
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin. Needs a running event loop."""
        self._logs.mkdir(parents=True, exist_ok=True)
        self._tasks = [asyncio.create_task(self._keep(w)) for w in self.watched.values()]
        self._tell()

    def child_ended(self, pid: int, status: int) -> None:
        """To be called for every child that was waited for; others' children are ignored."""
        for watched in self.watched.values():
            if watched.pid == pid:
                # From here on the number may be another process's.
                watched.pid = 0
                watched.last_exit = _describe(status)
                watched.ended.set()

    async def stop(self, seconds: float) -> None:
        """Ask all to end, dependants first; after `seconds`, no longer ask."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        deadline = time.monotonic() + seconds
        for layer in reversed(layers([w.process for w in self.watched.values()])):
            running = [self.watched[name] for name in layer if self.watched[name].pid]
            for watched in running:
                _signal(watched.pid, signal.SIGTERM)
            for watched in running:
                await self._await_end(watched, deadline)

    async def _await_end(self, watched: Watched, deadline: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                await watched.ended.wait()
        except TimeoutError:
            _signal(watched.pid, signal.SIGKILL)

    async def _keep(self, watched: Watched) -> None:
        """Run one process again and again."""
        for name in watched.process.after:
            await self.watched[name].ready.wait()
        delay = _FIRST_DELAY
        while True:
            begun = time.monotonic()
            self._spawn(watched)
            await self._until_ended(watched)
            if time.monotonic() - begun > _CALM_SECONDS:
                delay = _FIRST_DELAY
            watched.state = RESTARTING
            watched.restarts += 1
            self._tell()
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_DELAY)

    def _spawn(self, watched: Watched) -> None:
        process = watched.process
        watched.ended.clear()
        log = self._logs / f"{process.name}.log"
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_suffix(".log.old"))
        with log.open("ab") as output:
            try:
                child = subprocess.Popen(
                    list(process.argv),
                    cwd="/",
                    env={**self._environment, **process.env},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                output.write(f"cannot start {process.argv[0]}: {error}\n".encode())
                watched.last_exit = "could not be started"
                watched.ended.set()
                return
        # init alone waits for children; Popen must not warn that it never did.
        child.returncode = 0
        watched.pid = child.pid
        watched.state = STARTING
        self._tell()

    async def _until_ended(self, watched: Watched) -> None:
        ended = asyncio.create_task(watched.ended.wait())
        probing = asyncio.create_task(self._probe(watched))
        try:
            await asyncio.wait([ended, probing], return_when=asyncio.FIRST_COMPLETED)
            if watched.ended.is_set():
                return
            if probing.result():
                self._mark_ready(watched)
            else:
                # It runs but does not answer, and will not. It gets a new start.
                _signal(watched.pid, signal.SIGKILL)
            await ended
        finally:
            probing.cancel()
            ended.cancel()

    async def _probe(self, watched: Watched) -> bool:
        """True as soon as it answers; False if it has not within its time."""
        ready = watched.process.ready
        if ready is None:
            return True
        deadline = time.monotonic() + ready.seconds
        while not await answers(ready.url):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_PROBE_SECONDS)
        return True

    def _mark_ready(self, watched: Watched) -> None:
        watched.state = READY
        if not watched.ready.is_set():
            watched.seconds = time.monotonic() - self._started
        watched.ready.set()
        self._tell()

    def _tell(self) -> None:
        if not self._stopping:
            self._changed(list(self.watched.values()))


def check_order(processes: Sequence[Process]) -> None:
    """EngineBug if a name comes twice, or what must be first is missing or waits for itself."""
    names = [process.name for process in processes]
    if len(set(names)) != len(names):
        raise EngineBug(f"two processes have one name among {', '.join(sorted(names))}")
    layers(processes)


def layers(processes: Sequence[Process]) -> list[list[str]]:
    """Names in the order of their start; those in one layer start side by side."""
    waiting = {process.name: set(process.after) for process in processes}
    result: list[list[str]] = []
    done: set[str] = set()
    while waiting:
        layer = sorted(name for name, after in waiting.items() if after <= done)
        if not layer:
            raise EngineBug(f"{', '.join(sorted(waiting))} wait for one another, or for nothing")
        result.append(layer)
        done.update(layer)
        for name in layer:
            del waiting[name]
    return result


def _signal(pid: int, number: signal.Signals) -> None:
    # Number 0 would mean the caller's whole process group.
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _describe(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"exit status {code}" if code >= 0 else f"ended by {signal.Signals(-code).name}"

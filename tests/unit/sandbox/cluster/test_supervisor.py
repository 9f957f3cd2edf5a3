"""The supervisor: order, readiness, restarts, and the end."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from sandbox.cluster.supervisor import Supervisor, Watched, check_order, layers
from sandbox.cluster.supervisor_states import READY, WAITING
from sandbox.errors import EngineBug
from sandbox.process import Process, Ready

FOREVER = ["sleep", "60"]


class Running:
    """A supervisor in an event loop that collects children as init does."""

    def __init__(self, processes: Sequence[Process], logs: Path) -> None:
        self.told: list[dict[str, str]] = []
        environment = {"PATH": os.environ["PATH"]}
        self.supervisor = Supervisor(processes, logs, environment, self._tell)

    def _tell(self, watched: Sequence[Watched]) -> None:
        self.told.append({one.process.name: one.state for one in watched})

    async def __aenter__(self) -> "Running":
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._collect)
        self.supervisor.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.supervisor.stop(5.0)
        asyncio.get_running_loop().remove_signal_handler(signal.SIGCHLD)

    def _collect(self) -> None:
        for watched in self.supervisor.watched.values():
            if watched.pid:
                pid, status = os.waitpid(watched.pid, os.WNOHANG)
                if pid:
                    self.supervisor.child_ended(pid, status)

    async def until(self, condition) -> None:
        async with asyncio.timeout(10):
            while not condition(self.supervisor.watched):
                await asyncio.sleep(0.01)


def test_layers_follow_dependencies() -> None:
    processes = [
        Process("kubelet", FOREVER, after=("api", "registry")),
        Process("api", FOREVER, after=("etcd",)),
        Process("etcd", FOREVER),
        Process("registry", FOREVER),
    ]
    assert layers(processes) == [["etcd", "registry"], ["api"], ["kubelet"]]


@pytest.mark.parametrize(
    "processes",
    [
        [Process("a", FOREVER, after=("b",)), Process("b", FOREVER, after=("a",))],
        [Process("a", FOREVER, after=("unknown",))],
        [Process("a", FOREVER), Process("a", FOREVER)],
    ],
)
def test_an_impossible_order_is_our_fault(processes: list[Process]) -> None:
    with pytest.raises(EngineBug):
        check_order(processes)


def test_one_starts_only_when_the_other_is_ready(tmp_path: Path) -> None:
    gate = tmp_path / "gate.sock"
    server = f"import socket,time; time.sleep(.3); s=socket.socket(socket.AF_UNIX); s.bind({str(gate)!r}); s.listen(); time.sleep(60)"
    first = Process("first", [sys.executable, "-c", server], ready=Ready(f"unix://{gate}"))
    second = Process("second", FOREVER, after=("first",))

    async def run() -> list[dict[str, str]]:
        async with Running([second, first], tmp_path) as running:
            await running.until(lambda watched: watched["second"].state == READY)
            return running.told

    for states in asyncio.run(run()):
        assert states["second"] == WAITING or states["first"] == READY


def test_what_ends_is_started_again_and_says_how_it_ended(tmp_path: Path) -> None:
    script = f"echo once more >> {tmp_path}/runs; exit 3"

    async def run() -> Watched:
        async with Running([Process("short", ["sh", "-c", script])], tmp_path) as running:
            await running.until(lambda watched: watched["short"].restarts >= 2)
            return running.supervisor.watched["short"]

    watched = asyncio.run(run())
    assert watched.last_exit == "exit status 3"
    assert len((tmp_path / "runs").read_text().splitlines()) >= 2


def test_a_killed_one_gets_a_new_number(tmp_path: Path) -> None:
    async def run() -> tuple[int, Watched]:
        async with Running([Process("long", FOREVER)], tmp_path) as running:
            watched = running.supervisor.watched["long"]
            await running.until(lambda _: watched.state == READY)
            before = watched.pid
            os.kill(before, signal.SIGKILL)
            await running.until(lambda _: watched.restarts == 1 and watched.state == READY)
            return before, Watched(watched.process, pid=watched.pid, last_exit=watched.last_exit)

    before, after = asyncio.run(run())
    assert after.pid != before
    assert after.last_exit == "ended by SIGKILL"


def test_one_that_never_answers_is_ended_and_tried_again(tmp_path: Path) -> None:
    ready = Ready(f"unix://{tmp_path}/never", seconds=0.1)

    async def run() -> None:
        async with Running([Process("mute", FOREVER, ready=ready)], tmp_path) as running:
            await running.until(lambda watched: watched["mute"].restarts >= 1)

    asyncio.run(run())


def test_a_program_that_is_not_there_is_no_end_of_the_others(tmp_path: Path) -> None:
    processes = [Process("absent", ["/no/such/program"]), Process("present", FOREVER)]

    async def run() -> str:
        async with Running(processes, tmp_path) as running:
            await running.until(lambda watched: watched["absent"].restarts >= 1)
            await running.until(lambda watched: watched["present"].state == READY)
            return running.supervisor.watched["absent"].last_exit

    assert asyncio.run(run()) == "could not be started"
    assert "/no/such/program" in (tmp_path / "absent.log").read_text()


def test_dependants_stop_first(tmp_path: Path) -> None:
    ended = tmp_path / "ended"

    def polite(name: str, *after: str) -> Process:
        script = f"trap 'echo {name} >> {ended}; exit' TERM; echo up; while :; do sleep .05; done"
        return Process(name, ["sh", "-c", script], after=after)

    async def run() -> None:
        processes = [polite("etcd"), polite("api", "etcd"), polite("kubelet", "api")]
        async with Running(processes, tmp_path) as running:
            logs = [tmp_path / f"{process.name}.log" for process in processes]
            await running.until(
                lambda _: all(log.exists() and "up" in log.read_text() for log in logs)
            )

    asyncio.run(run())
    assert ended.read_text().split() == ["kubelet", "api", "etcd"]


def test_one_that_will_not_stop_is_killed(tmp_path: Path) -> None:
    stubborn = Process("stubborn", ["sh", "-c", "trap '' TERM; while :; do sleep .05; done"])

    async def run() -> int:
        running = Running([stubborn], tmp_path)
        async with running:
            await running.until(lambda watched: watched["stubborn"].state == READY)
            pid = running.supervisor.watched["stubborn"].pid
            await asyncio.sleep(0.2)
            await running.supervisor.stop(0.2)
            await running.until(lambda watched: watched["stubborn"].ended.is_set())
            return pid

    with pytest.raises(ProcessLookupError):
        os.kill(asyncio.run(run()), 0)

"""The health endpoint of scheduler, dag-processor and triggerer, asked over HTTP as the kubelet asks it."""

import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.images.loading import script

job_health: ModuleType = script("job_health")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Job:
    """As Airflow's: a heartbeat that the database did not get returns like any other, and is marked."""

    heartbeat_failed = False

    def prepare_for_execution(self) -> str:
        return "prepared"

    def heartbeat(self, *, reachable: bool) -> None:
        self.heartbeat_failed = not reachable


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def heart(clock: Clock) -> object:
    return job_health.Heart(60, clock)


@pytest.fixture
def url(heart: object) -> Iterator[str]:
    yield f"http://127.0.0.1:{job_health.serve(0, heart)}/"


@pytest.fixture
def job(heart: object) -> Job:
    followed = type("FollowedJob", (Job,), {})
    job_health.follow(followed, heart)
    result: Job = followed()
    return result


def ask(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode().strip()


def test_a_process_whose_job_has_not_started_is_not_healthy(url: str) -> None:
    assert ask(url) == (503, "no job has started yet")


def test_a_job_is_healthy_while_its_heartbeat_is_young(url: str, job: Job, clock: Clock) -> None:
    assert job.prepare_for_execution() == "prepared"
    clock.now += 59
    assert ask(url) == (200, "last heartbeat 59 s ago")
    clock.now += 1
    assert ask(url)[0] == 503
    job.heartbeat(reachable=True)
    assert ask(url) == (200, "last heartbeat 0 s ago")


def test_a_heartbeat_that_the_database_did_not_get_is_none(
    url: str, job: Job, clock: Clock
) -> None:
    job.prepare_for_execution()
    clock.now += 61
    job.heartbeat(reachable=False)
    assert ask(url) == (503, "last heartbeat 61 s ago")


def holds(port: int) -> bool:
    """Whether this process has the port open."""
    for open_file in list(Path("/proc/self/fd").iterdir()):
        with suppress(OSError), socket.socket(fileno=os.dup(int(open_file.name))) as copy:
            if copy.family in (socket.AF_INET, socket.AF_INET6) and copy.getsockname()[1] == port:
                return True
    return False


def test_a_forked_process_does_not_keep_the_port(heart: object) -> None:
    port = job_health.serve(0, heart)
    assert holds(port)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, b"kept" if holds(port) else b"free")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 10) == b"free"
    assert ask(f"http://127.0.0.1:{port}/")[0] == 503, "this process still answers"

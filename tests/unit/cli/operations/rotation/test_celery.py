"""A rotation of Celery's password with real servers: who sends and takes tasks is let in throughout, and whoever is killed at
any step is followed by somebody who ends it. And no task is lost, nor fails, with real workers of Celery.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from cli.base.errors import KitError, UserError
from cli.operations.rotation import database
from cli.operations.rotation.database import OF_CELERY, DatabaseAccess
from cli.stack.rotation import Rotation
from infra.contract.naming import Names
from tests.unit.cli.operations.rotation.celery_servers import (
    FIRST,
    Queued,
    Servers,
    first_state,
)
from tests.unit.cli.operations.rotation.on_disk import in_a_process
from tests.unit.images import postgresql
from tests.unit.images.airflow_database import python
from tests.unit.images.test_redis_image import Image

STEPS = [
    "require_ready",
    "under_way",
    "begin",
    *("configure", "deploy", "pods", "told", "accepted"),
    *("configure", "deploy", "pods", "told"),
    *("configure", "deploy", "pods", "told"),
    *("accepted", "accepted", "end"),
]
"""`pods` and `told`: in the midst of a deployment, when the Job is through, or Redis' pod has the Secret."""


@contextmanager
def served(folder: Path, version: str, names: Names) -> Iterator[Servers]:
    queue = Image(folder)
    with postgresql.running(version) as server:
        queue.with_second("")
        with queue.started(FIRST):
            servers = Servers(server, queue, names, folder)
            first_state(folder / "state.json")
            servers.make_users(Queued(folder / "state.json", servers=servers).configured())
            with servers.pods():
                yield servers


@pytest.fixture(scope="module", params=[("15", False), ("18", True)], ids=str)
def servers(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Servers]:
    """The kit's own server; and a branch's database as it is on RDS."""
    version, shared = request.param
    folder = tmp_path_factory.mktemp("environment")
    names = Names("dev-x-012345" if shared else "dev", shared=shared)
    with served(folder, version, names) as found:
        found.want(installation(found).configured())
        yield found


IN_THE_CLUSTER = pytest.mark.parametrize("servers", [("15", False)], ids=str, indirect=True)
"""What does not differ for the database of a branch."""


def installation(servers: Servers, **more: Any) -> Queued:
    return Queued(servers.folder / "state.json", servers=servers, **more)


def rotated(it: Queued) -> database.RotatedDatabase:
    return database.rotate(it, lambda _: None, OF_CELERY)


REFUSED = {"first": False, "second": False, "queue": False}


def test_no_login_fails_and_the_old_password_is_refused(servers: Servers) -> None:
    for user in ("second", "first"):
        it = installation(servers)
        old = it.deployed()
        done = rotated(it)
        assert it.calls == STEPS
        assert (done.resumed, done.user) == (False, user)
        new = it.deployed()
        assert new != old
        assert it.configured().logins.passwords == (new,)
        assert it.accepted({"first": old, "second": old}) == REFUSED
        assert it.accepted({user: new}) == {user: True, "queue": True}
        assert servers.accepted_by_the_job({user: new}) == {user: True, "queue": True}
        assert it.state()["record"] is None
    assert servers.said("failures") == set()
    owner = servers.names.results_database
    assert servers.said("served") == {owner, servers.names.second_results_user}
    assert servers.server.superuser("select distinct name from work", database=owner) == [(owner,)]


@IN_THE_CLUSTER
@pytest.mark.slow
def test_killed_at_any_step_it_is_ended_by_the_next(servers: Servers) -> None:
    for step in range(1, len(STEPS) + 1):
        old = installation(servers).deployed()
        killed = installation(servers, kill_at=step)
        assert in_a_process(lambda it=killed: rotated(it)) == -signal.SIGKILL, STEPS[step - 1]
        done = rotated(installation(servers))
        assert done.resumed == (step > 3), STEPS[step - 1]
        assert installation(servers).state()["record"] is None
        assert servers.accepted({"first": old, "second": old}) == REFUSED
    assert servers.said("failures") == set()


@IN_THE_CLUSTER
def test_a_queue_that_starts_again_has_what_its_secret_says(
    tmp_path: Path, servers: Servers
) -> None:
    """At any moment: it was told while it ran, and remembers nothing of that."""
    before = installation(servers).configured()
    both = before.logins.with_idle("a-second-password")
    queue = Image(tmp_path)
    here = replace(servers, queue=queue, folder=tmp_path)
    queue.with_second("")
    with queue.started(before.password):
        queue.ask(before.password, "lpush", "default", "a task")
        here.mount(DatabaseAccess(before.password, both))
    first, second = both.first, both.second
    queue.second.write_text(second)
    with queue.started(first):
        assert queue.ask("a-second-password", "lrange", "default", "0", "-1") == "a task"
        assert queue.ask(before.password, "ping") == "PONG"


@IN_THE_CLUSTER
def test_a_queue_that_was_not_told_is_not_used(servers: Servers) -> None:
    """A Redis that takes one password alone: of an older image, say."""

    class Older(Queued):
        def deploy(self, number: int) -> None:
            self.servers.make_users(self.configured())

    it = Older(servers.folder / "state.json", servers=servers)
    old = it.configured()
    with pytest.raises(KitError, match="does not know the new login"):
        rotated(it)
    assert it.configured().password == it.deployed() == old.password
    assert rotated(installation(servers)).resumed
    assert servers.said("failures") == set()


WORK = """
import os, time
from pathlib import Path
from celery import Celery

app = Celery("work", broker=os.environ["BROKER"], backend=os.environ["RESULTS"])
# As charts/airflow and Airflow's Celery provider set them.
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    broker_transport_options={"visibility_timeout": 86400, "socket_timeout": 10},
    database_engine_options={"pool_pre_ping": True},
)

@app.task(name="work")
def work(number, until):
    with Path(os.environ["RECORD"]).open("a") as file:
        file.write(f"began {number}\\n")
    time.sleep(0.2)
    while until and not Path(until).exists():
        time.sleep(0.1)
    with Path(os.environ["RECORD"]).open("a") as file:
        file.write(f"ended {number}\\n")
    return number
"""

SENDER = """
import os, time
from pathlib import Path
from work import work

# Before, one that runs for as long as its sender sends; and always more than two processes can do at once: some are always in the queue,
# and never many, so that a busy machine gets through.
sent, open_ones, first, stop = {}, [], os.environ["FIRST"], os.environ["STOP"]
while not Path(stop).exists():
    open_ones = [result for result in open_ones if not result.ready()]
    while len(open_ones) < 8:
        name = f"{first}-{len(sent)}"
        sent[name] = work.delay(name, "" if sent or first == "after" else stop)
        open_ones.append(sent[name])
        Path(os.environ["SENT"]).open("a").write(f"{name}\\n")
    time.sleep(0.1)
for name, result in sent.items():
    assert result.get(timeout=240) == name
"""


@dataclass
class Working(Queued):
    """With pods of Celery: one that sends and one that takes tasks, replaced where what they read is another."""

    pods: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self, access: DatabaseAccess, generation: str) -> None:
        folder, told = self.servers.folder, self.servers.told(access)
        (folder / "work.py").write_text(WORK)
        (folder / "send.py").write_text(SENDER)
        environment = {
            **os.environ,
            "BROKER": told["broker"],
            "RESULTS": told["backend"],
            "RECORD": str(folder / "record"),
            "SENT": str(folder / "sent"),
            "STOP": str(folder / f"stop-{generation}"),
            "FIRST": generation,
        }
        options = ("--concurrency=2", "--loglevel=warning", f"--hostname={generation}@here")
        worker = [python(), "-m", "celery", "--app=work", "worker", *options]
        for name, command in (("worker", worker), ("sender", [python(), "send.py"])):
            with (folder / f"{name}-{generation}.log").open("wb") as log:
                self.pods.append(
                    subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
                )

    def lines(self, file: str, start: str = "") -> list[str]:
        found = self.servers.folder / file
        text = found.read_text() if found.exists() else ""
        return [line.removeprefix(start) for line in text.splitlines() if line.startswith(start)]

    def replace(self, former: DatabaseAccess, now: DatabaseAccess) -> None:
        if self.servers.told(former) == self.servers.told(now):
            return
        # While the one of before has its long task, and others wait in the queue.
        until(lambda: "before-0" in self.lines("record", "began "))
        assert "before-0" not in self.lines("record", "ended ")
        until(lambda: int(self.servers.queue.ask(former.password, "llen", "celery")) > 0)
        worker, sender = self.pods
        self.start(now, "after")
        until(lambda: self.lines("record", "began after"))
        worker.send_signal(signal.SIGTERM)
        # It ends after its long task, which ends now.
        (self.servers.folder / "stop-before").touch()
        for pod in (worker, sender):
            assert pod.wait(300) == 0, self.logs()

    def end_pods(self) -> None:
        """The sender sends no more, and has each result."""
        (self.servers.folder / "stop-after").touch()
        assert self.pods[-1].wait(300) == 0, self.logs()

    def logs(self) -> str:
        return "\n".join(one.read_text()[-3000:] for one in self.servers.folder.glob("*.log"))


def until(look: Callable[[], object], seconds: float = 180.0) -> None:
    give_up = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.1)


def test_no_task_is_lost_nor_fails(tmp_path: Path) -> None:
    with served(tmp_path, "15", Names("dev")) as servers:
        it = Working(tmp_path / "state.json", servers=servers)
        try:
            it.start(it.configured(), "before")
            until(lambda: len(it.lines("sent")) > 3)
            rotated(it)
            number = len(it.lines("record", "ended "))
            # The old password is gone, and whoever is there sends and takes on.
            until(lambda: len(it.lines("record", "ended ")) > number + 20)
            it.end_pods()
            sent, ended = it.lines("sent"), it.lines("record", "ended ")
            assert {"before-0", "after-0"} <= set(sent)
            # Each once: none was lost, and none was given out twice.
            assert sorted(ended) == sorted(sent)
            failed = "select count(*) from celery_taskmeta where status <> 'SUCCESS'"
            database_name = servers.names.results_database
            assert servers.server.superuser(failed, database=database_name) == [(0,)]
            assert not [line for line in it.logs().splitlines() if "Error" in line], it.logs()
        finally:
            for pod in it.pods:
                pod.terminate()
            for pod in it.pods:
                pod.wait(120)


class TestRefused:
    """Before anything is changed."""

    @pytest.fixture
    def it(self, tmp_path: Path) -> Queued:
        first_state(tmp_path / "state.json")
        # Nothing of the stack is reached: it is refused before.
        nowhere = Servers(None, None, Names("dev"), tmp_path)  # type: ignore[arg-type]
        return Queued(tmp_path / "state.json", servers=nowhere)

    def unchanged(self, it: Queued, match: str) -> None:
        before = it.state()
        with pytest.raises(UserError, match=match):
            rotated(it)
        assert it.state() == before

    def test_a_password_that_is_not_the_deployed_one(self, it: Queued) -> None:
        it.write(deployed=["another-password", ""])
        self.unchanged(it, "The configured password of Celery is not the deployed one alone")

    def test_two_that_no_rotation_has_set(self, it: Queued) -> None:
        both = it.configured().logins.with_idle("a-second-password")
        it.write(configured=[FIRST, both.text()])
        self.unchanged(it, "not the deployed one alone")

    def test_a_password_that_somebody_has_set_meanwhile(self, it: Queued) -> None:
        old = it.configured()
        new = old.logins.with_idle("a-second-password").only("a-second-password")
        it.begin(Rotation.begin(old.logins.text(), new.text()))
        it.write(configured=["somebody-elses", old.logins.text()])
        self.unchanged(it, "celeryPassword was changed while its rotation was under")
        assert json.dumps(it.state()).count("somebody-elses") == 1

"""`secrets rotate celery`, as it is typed. The servers are real in cli/operations/rotation/test_celery.py."""

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from cli.base import lease
from cli.base.environments import Environment
from cli.cloud.kubernetes import Object
from cli.operations.rotation import database
from cli.stack import rotation
from infra.contract import database_logins
from infra.contract.database_logins import Logins
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeBackend, FakeSession
from tests.unit.cli.operations.rotation.conftest import Cluster

RunJson = Callable[..., Any]
KEY = "aerodrome:celeryPassword"


class Queue(Cluster):
    """A cluster whose Redis and whose results take what is configured, once Redis has been told of it."""

    stuck = False
    """Whether it takes anything."""

    deaf = False
    """Whether Redis takes what it had at its start alone."""

    def __init__(self, backend: FakeBackend) -> None:
        super().__init__("")
        self.backend = backend
        self.told = self.logins()
        self.running = {"metadata": {"name": "airflow-redis-0"}, "status": {"phase": "Running"}}

    def logins(self) -> Logins:
        text = self.backend.values.get("aerodrome:celeryLogins")
        own = str(self.backend.values[KEY].value)
        return database_logins.of(own, str(text.value) if text else "")

    def content(self, name: str) -> dict[str, str]:
        if name == "airflow-celery":
            return {"redis-password": str(self.backend.values[KEY].value)}
        assert name == "airflow-celery-logins"
        return {"password": self.logins().first, "second-password": self.logins().second}

    def find(self, kind: str, name: str, *, namespace: str = "") -> Object | None:
        if kind != "secret" or not name.startswith("airflow-celery"):
            return self.service if kind == "service" else None
        data = self.content(name)
        return {
            "data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
        }

    def objects(self, kind: str, **more: Any) -> list[Object]:
        if kind == "pods":
            return [self.running] if str(more.get("selector", "")).endswith("=redis") else []
        return super().objects(kind, **more)

    def execute(
        self, pod: Object, *command: str, seconds: float | None = None
    ) -> tuple[int, str, str]:
        assert pod == self.running
        if command == ("/usr/local/bin/reload",):
            self.told = self.told if self.deaf else self.logins()
            return 0, "", ""
        words = self.content("airflow-celery-logins")
        assert command[0] == "sha256sum"
        files = {path.rpartition("/")[2]: path for path in command[1:]}
        assert files.keys() == words.keys()
        return (
            0,
            "".join(
                f"{hashlib.sha256(words[key].encode()).hexdigest()}  {path}\n"
                for key, path in files.items()
            ),
            "",
        )

    def logs(self, selector: str, *, lines: int) -> list[str]:
        (secret,) = [one for one in self.made if one["kind"] == "Secret"][-1:]
        question = json.loads(secret["stringData"]["LOGINS"])
        assert question["queue"] == ["airflow-redis", 6379]
        assert question["database"] == "airflow_celery"
        now = self.logins()
        known = {"airflow_celery": now.first, "airflow_celery_second": now.second}
        users = [self.stuck or known[user] == word for user, word in question["users"]]
        words = [self.stuck or word in self.told.passwords for word in question["passwords"]]
        return [json.dumps({"users": users, "passwords": words})]


@pytest.fixture
def queue(deployed: FakeBackend, session: FakeSession) -> Queue:
    deployed.set_config("aerodrome:executor", "CeleryExecutor,KubernetesExecutor", secret=False)
    if KEY not in deployed.values:
        deployed.set_config(KEY, "the-first-password", secret=True)
    session.day = datetime.now(UTC).date()
    session.fake_kubernetes = it = Queue(deployed)
    return it


def password(backend: FakeBackend) -> str:
    return str(backend.values[KEY].value)


def test_three_deployments_and_a_proof_there_and_back(
    run: Run, deployed: FakeBackend, session: FakeSession, queue: Queue
) -> None:
    seen = [password(deployed)]
    for _ in range(2):
        deployed.calls.clear()
        done = run("secrets", "rotate", "celery")
        assert done.exit_code == 0, done.output
        assert deployed.calls == ["up"] * 3
        for number, title in enumerate(database.STEPS, start=1):
            assert f"[{number}/3] {title}" in done.stderr
        assert "and neither takes the old one" in done.stdout
        seen.append(password(deployed))
        assert not [text for text in seen if text in done.output]
    assert len(set(seen)) == 3
    assert queue.told.passwords == (seen[-1],)
    assert rotation.unfinished(deployed) == []
    assert rotation.made(deployed)["celeryPassword"] == session.day
    jobs = [one for one in queue.made if one["kind"] == "Job"]
    labels = jobs[0]["spec"]["template"]["metadata"]["labels"]
    # What the network policies of the queue and of the database let in.
    assert labels["app.kubernetes.io/component"] == "celery-logins"
    assert labels["aerodrome/uses-database"] == "true"
    assert not [text for text in seen if text in json.dumps(jobs)]
    assert queue.calls[-1] == ("delete", "Secret", "airflow-celery-logins")


def test_as_json(run_json: RunJson, queue: Queue) -> None:
    found = run_json("secrets", "rotate", "celery")
    assert found["secret"] == "celeryPassword"
    assert (found["user"], found["oldPasswordRefused"], found["resumed"]) == ("second", True, False)
    names = [one["secret"] for one in run_json("secrets", "status")["secrets"]]
    assert "celeryPassword" in names
    assert "celeryLogins" not in names


def test_an_old_password_that_works_is_no_success(
    run: Run, run_json: RunJson, deployed: FakeBackend, queue: Queue
) -> None:
    queue.stuck = True
    done = run("secrets", "rotate", "celery")
    assert done.exit_code == 1
    assert "accepts the old password" in done.stderr
    assert "./aerodrome secrets rotate celery" in done.stderr
    assert "a rotation of celeryPassword is not finished" in run("secrets", "status").output
    queue.stuck, now = False, password(deployed)
    assert run_json("secrets", "rotate", "celery")["resumed"] is True
    assert password(deployed) == now


def test_a_queue_that_does_not_take_the_new_password_gets_no_task_with_it(
    run: Run, run_json: RunJson, deployed: FakeBackend, queue: Queue
) -> None:
    old, queue.deaf = password(deployed), True
    done = run("secrets", "rotate", "celery")
    assert done.exit_code == 1
    assert "does not know the new login" in done.stderr
    assert (password(deployed), deployed.calls) == (old, ["up"])
    queue.deaf = False
    assert run_json("secrets", "rotate", "celery")["resumed"] is True
    assert password(deployed) != old


class TestRefused:
    def unchanged(self, run: Run, deployed: FakeBackend, reason: str) -> None:
        before = dict(deployed.values)
        done = run("secrets", "rotate", "celery")
        assert done.exit_code == 2, done.output
        assert reason in done.stderr
        assert (deployed.values, deployed.calls) == (before, [])

    def test_without_a_queue(self, run: Run, deployed: FakeBackend) -> None:
        self.unchanged(run, deployed, "It has no queue: its executor is KubernetesExecutor")

    def test_one_that_takes_a_single_password(
        self, run: Run, deployed: FakeBackend, queue: Queue, session: FakeSession
    ) -> None:
        session.fake_kubernetes = Cluster("")
        self.unchanged(run, deployed, "could not rotate its password")

    def test_while_an_up_is_at_work(self, run: Run, deployed: FakeBackend, queue: Queue) -> None:
        with lease.held(Environment("sandbox"), "up", lambda _: None):
            self.unchanged(run, deployed, '`up` is running on environment "sandbox"')

    def test_a_password_that_is_not_the_deployed_one(
        self, run: Run, deployed: FakeBackend, queue: Queue
    ) -> None:
        deployed.set_config(
            "aerodrome:celeryLogins",
            Logins.alone(password(deployed)).with_idle("a-second-password").text(),
            secret=True,
        )
        self.unchanged(run, deployed, "celeryLogins has two")

"""The servers that a rotation of Celery's password changes, started for tests: a PostgreSQL and the image's Redis."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cli.operations.rotation.database import DatabaseAccess
from infra.contract import database_logins, secret_contents
from infra.contract.naming import Names
from infra.contract.secret_contents import celery_secret
from infra.contract.secret_settings import Secrets
from tests.unit.cli.operations.rotation.on_disk import OnDisk
from tests.unit.images.airflow_database import python
from tests.unit.images.loading import SCRIPTS, script
from tests.unit.images.postgresql import MASTER, MASTER_PASSWORD, Server
from tests.unit.images.test_redis_image import Image

FIRST = "the first p@ss/word"
HERE = Path(__file__).parent

wait_for_schema = script("wait_for_schema")
branch_database = script("branch_database")
# The other two load it.
script("database_logins")
prepare_database = script("prepare_database")


def put(file: Path, text: str) -> None:
    """At once, for whoever reads it."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.rename(file)


def secrets_of(access: DatabaseAccess) -> Secrets:
    return Secrets(
        fernet_key="",
        jwt_secret="",
        api_secret_key="",
        admin_password="",
        database_password="",
        celery_password=access.password,
        celery_logins=access.logins.text(),
    )


@dataclass(frozen=True)
class Servers:
    """Those of one environment, or of a branch in another's PostgreSQL."""

    server: Server
    queue: Image
    names: Names
    folder: Path

    def make_users(self, access: DatabaseAccess) -> None:
        """As the migration Job does it, or that of a branch's database."""
        name = self.names.results_database
        content = secret_contents.celery_logins_secret(secrets_of(access), self.names)
        url = self.server.url(MASTER, MASTER_PASSWORD, MASTER)
        second = (content["second-username"], content["second-password"])
        with pytest.MonkeyPatch.context() as patch:
            if not self.names.shared:
                patch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", url)
                prepare_database.ensure_results(name, content["password"], *second)
                return
            variables = {
                "ADMIN_CONNECTION": url,
                "DATABASE_PASSWORD": content["password"],
                "SECOND_USER": second[0],
                "SECOND_PASSWORD": second[1],
                "WAIT_SECONDS": "0",
            }
            for key, value in variables.items():
                patch.setenv(key, value)
            assert branch_database.main(["create", name]) == 0

    def mount(self, access: DatabaseAccess) -> None:
        """The Secret comes to Redis' pod."""
        content = secret_contents.celery_logins_secret(secrets_of(access), self.names)
        put(self.queue.secret, content["password"])
        put(self.queue.second, content["second-password"])

    def told(self, access: DatabaseAccess) -> dict[str, str]:
        """What pods of Celery read at their start."""
        secrets = secrets_of(access)
        user = secret_contents.results_user(secrets, self.names)
        url = self.server.url(user, access.password, self.names.results_database)
        secret = celery_secret(
            secrets, self.names, "127.0.0.1", secret_contents.result_backend(url)
        )
        return {
            "user": user,
            "broker": secret["broker-url"].replace(":6379/", f":{self.queue.port}/"),
            "backend": secret["result-backend"],
            "results": str(wait_for_schema.libpq_url(url)),
        }

    def want(self, *pods: DatabaseAccess) -> None:
        """Returns when queue_pods.py has brought its pods to that."""
        wanted, there = self.folder / "wanted.json", self.folder / "there.json"
        put(wanted, json.dumps([self.told(access) for access in pods]))
        give_up = time.monotonic() + 120
        while not there.exists() or there.read_text() != wanted.read_text():
            assert time.monotonic() < give_up
            time.sleep(0.02)

    def said(self, what: str) -> set[str]:
        file = self.folder / what
        return set(file.read_text().splitlines()) if file.exists() else set()

    @contextmanager
    def pods(self) -> Iterator[None]:
        """queue_pods.py, in a process of its own: that of the test is forked to be killed."""
        command = [python(), str(HERE / "queue_pods.py"), str(self.folder)]
        with subprocess.Popen(command, env=self.of_the_job()) as process:
            try:
                yield
            finally:
                (self.folder / "over").touch()
                assert process.wait(60) == 0

    def of_the_job(self) -> dict[str, str]:
        """The environment of the Job that tries passwords."""
        url = self.server.url(MASTER, MASTER_PASSWORD, MASTER)
        return {
            **os.environ,
            "PYTHONPATH": str(SCRIPTS),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        }

    def question(self, passwords: Mapping[str, str]) -> dict[str, Any]:
        users = {"first": self.names.results_database, "second": self.names.second_results_user}
        return {
            "database": self.names.results_database,
            "users": [(users[which], word) for which, word in passwords.items()],
            "queue": ("127.0.0.1", self.queue.port),
            "passwords": sorted(set(passwords.values())),
        }

    def accepted(self, passwords: Mapping[str, str]) -> dict[str, bool]:
        """The Job's script says it, to queue_pods.py."""
        number = os.urandom(8).hex()
        question = {**self.question(passwords), "number": number}
        put(self.folder / "question.json", json.dumps(question))
        answer, give_up = self.folder / f"answer-{number}.json", time.monotonic() + 120
        while not answer.exists():
            assert time.monotonic() < give_up
            time.sleep(0.02)
        return self.answers(passwords, answer.read_text())

    def answers(self, passwords: Mapping[str, str], text: str) -> dict[str, bool]:
        answers = json.loads(text)
        found = dict(zip(passwords, answers["users"], strict=True))
        (taken,) = answers["passwords"]
        return {**found, "queue": taken}

    def accepted_by_the_job(self, passwords: Mapping[str, str]) -> dict[str, bool]:
        """The same by the script, run as the Job runs it."""
        done = subprocess.run(
            [python(), str(SCRIPTS / "celery_logins.py")],
            env={**self.of_the_job(), "LOGINS": json.dumps(self.question(passwords))},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return self.answers(passwords, done.stdout)


@dataclass
class Queued(OnDisk):
    """Its deployments are the image's scripts, then pods."""

    servers: Servers = field(kw_only=True)

    def configured(self) -> DatabaseAccess:
        return self._access("configured")

    def deployed(self) -> str:
        return self._access("deployed").password

    def _access(self, which: str) -> DatabaseAccess:
        password, text = self.state()[which]
        return DatabaseAccess(password, database_logins.of(password, text))

    def require_ready(self) -> None:
        self.called("require_ready")

    def configure(self, access: DatabaseAccess) -> None:
        self.called("configure")
        now = self.configured()
        assert (access.password != now.password) + (access.logins != now.logins) == 1
        self.write(configured=[access.password, access.logins.text()])

    def deploy(self, number: int) -> None:
        self.called("deploy")
        former, now = self._access("deployed"), self.configured()
        self.servers.make_users(now)
        self.called("pods")
        self.replace(former, now)
        self.write(deployed=[now.password, now.logins.text()])
        self.servers.mount(now)
        self.called("told")
        done = self.servers.queue.run("reload")
        assert done.returncode == 0, done.stderr

    def replace(self, former: DatabaseAccess, now: DatabaseAccess) -> None:
        """In a rollout there are pods of before and pods of now."""
        self.servers.want(former, now)
        self.servers.want(now)

    def accepted(self, passwords: Mapping[str, str]) -> Mapping[str, bool]:
        self.called("accepted")
        return self.servers.accepted(passwords)

    def make(self) -> str:
        return os.urandom(12).hex() + "/p@ss word'"


def first_state(file: Path) -> dict[str, Any]:
    """Of an environment whose password was never rotated."""
    state = {key: [FIRST, ""] for key in ("configured", "deployed")}
    file.write_text(json.dumps(state))
    return state

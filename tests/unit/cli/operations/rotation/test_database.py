"""A rotation of the database's password with real servers: pods that log in all the time, as they were told when they
started, are let in throughout, straight and through PgBouncer; and whoever is killed at any step is followed by somebody
who ends it.
"""

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg2
import pytest

from cli.base.errors import KitError, UserError
from cli.operations.rotation import database
from cli.operations.rotation.database import DatabaseAccess
from cli.stack.rotation import Rotation
from infra.contract import database_logins, secret_contents
from infra.contract.naming import Names
from infra.contract.pooling import userlist
from infra.contract.secret_settings import Secrets
from tests.unit.cli.operations.rotation.on_disk import OnDisk, in_a_process
from tests.unit.images import pgbouncer, postgresql
from tests.unit.images.loading import script
from tests.unit.images.pgbouncer import PgBouncer
from tests.unit.images.postgresql import MASTER, MASTER_PASSWORD, Server
from tests.unit.images.real_airflow import until

STEPS = [
    "require_ready",
    "under_way",
    "begin",
    *("configure", "deploy", "pods", "told", "accepted"),
    *("configure", "deploy", "pods", "told"),
    *("configure", "deploy", "pods", "told"),
    *("accepted", "accepted", "end"),
]
"""`pods` and `told`: in the midst of a deployment, when the Job of the users is through, or all pods are replaced."""

STEPS_ON_RDS = [
    one for step in STEPS for one in ((step, "modified") if step == "deploy" else (step,))
]
"""`modified`: the instance has its password, and the Job of the users has not begun."""

PAUSE = 0.02

wait_for_schema = script("wait_for_schema")
branch_database = script("branch_database")
logins_script = script("database_logins")
assert script("database_owner")
prepare_database = script("prepare_database")


def secrets_of(access: DatabaseAccess) -> Secrets:
    return Secrets(
        fernet_key="",
        jwt_secret="",
        api_secret_key="",
        admin_password="",
        database_password=access.password,
        database_logins=access.logins.text(),
    )


@dataclass(frozen=True)
class Environment:
    """What goes on while a rotation is killed, in a process of its own: poolers before the server, and pods."""

    server: Server
    names: Names
    pooled: bool
    folder: Path
    rds: bool = False

    @property
    def steps(self) -> list[str]:
        return STEPS_ON_RDS if self.rds else STEPS

    @property
    def owner(self) -> str:
        """Whose is what either user makes."""
        return self.names.database_owner if self.rds else self.names.database

    def modify_instance(self, password: str) -> None:
        """What RDS does when it is told another password, as its own superuser. The test plays it."""
        connection = psycopg2.connect(
            host=str(self.server.folder), port=self.server.port, user="rdsadmin", dbname="postgres"
        )
        with connection, connection.cursor() as cursor:
            branch_database.set_password(cursor, MASTER, password, logins_script.UNLIMITED)
        connection.close()

    @property
    def wanted(self) -> Path:
        """What a deployment asks for: pods by their logins, and the pooler's list of users."""
        return self.folder / "wanted.json"

    @property
    def there(self) -> Path:
        return self.folder / "there.json"

    def settled(self) -> bool:
        return self.there.exists() and self.there.read_text() == self.wanted.read_text()

    def want(self, pods: list[list[str]], users: dict[str, str]) -> None:
        """Returns when it is so."""
        put(self.wanted, json.dumps({"pods": pods, "users": users}))
        until(self.settled, pause=PAUSE)

    def said(self, what: str) -> set[str]:
        """Lines that pods have written: of `failures`, or the users by whom they were `served`."""
        file = self.folder / what
        return set(file.read_text().splitlines()) if file.exists() else set()

    def libpq(self, user: str, password: str) -> str:
        return str(wait_for_schema.libpq_url(self.server.url(user, password, self.names.database)))


def put(file: Path, text: str) -> None:
    """At once, for whoever reads it."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.rename(file)


@dataclass
class Cluster:
    """Brings what is there to what is wanted. Not in the tests' process: one with threads cannot be forked to be killed."""

    environment: Environment
    pods: dict[str, "Pod"] = field(default_factory=dict)
    pooler: PgBouncer | None = None
    users: dict[str, str] = field(default_factory=dict)
    stack: ExitStack = field(default_factory=ExitStack)

    def run(self, over: Path) -> None:
        with self.stack:
            while not over.exists():
                time.sleep(PAUSE)
                if self.environment.wanted.exists() and not self.environment.settled():
                    text = self.environment.wanted.read_text()
                    self.settle(**json.loads(text))
                    put(self.environment.there, text)
            self.settle([], self.users)

    def settle(self, pods: list[list[str]], users: dict[str, str]) -> None:
        """New pods first; then those of before end. The pooler stays, and is told of its users."""
        if self.environment.pooled and users != self.users:
            self.tell(users)
        former = self.pods
        self.pods = {user: Pod(self.environment, user, word, self.pooler) for user, word in pods}
        for pod in self.pods.values():
            pod.start()
        for pod in former.values():
            pod.end()

    def tell(self, users: dict[str, str]) -> None:
        self.users = users
        if self.pooler is None:
            server = self.environment.server
            place = Path(self.stack.enter_context(TemporaryDirectory(prefix="pb-")))
            mode = "require" if server.tls else "prefer"
            running = pgbouncer.running(server, place, users, sslmode=mode)
            self.pooler = self.stack.enter_context(running)
            return
        put(self.pooler.folder / "userlist.txt", userlist(users))
        self.pooler.reload()


@dataclass
class Pod:
    """Opens new connections many times a second with what it was told at its start, and writes a row in each."""

    environment: Environment
    user: str
    password: str
    pooler: PgBouncer | None
    stop: threading.Event = field(default_factory=threading.Event)
    served: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Returns when it has been served, or refused, each way."""
        self.thread = threading.Thread(target=self._work)
        self.thread.start()
        self.served.wait()

    def end(self) -> None:
        self.stop.set()
        self.thread.join()

    def _work(self) -> None:
        database, login = self.environment.names.database, (self.user, self.password)
        ways: list[Callable[[], Any]] = [lambda: psycopg2.connect(self.environment.libpq(*login))]
        if pooler := self.pooler:
            ways.append(lambda: pooler.connect(database, *login))
        while not self.stop.wait(PAUSE):
            for way in ways:
                try:
                    connection = way()
                    with connection, connection.cursor() as cursor:
                        cursor.execute("insert into work select current_user")
                    connection.close()
                    self._say("served", self.user)
                except psycopg2.Error as error:
                    self._say("failures", f"{self.user}: {error}")
            self.served.set()

    def _say(self, what: str, text: str) -> None:
        with (self.environment.folder / what).open("a") as file:
            file.write(f"{text}\n")


@dataclass
class Served(OnDisk):
    """Its deployments are a Job with the image's script, then pods."""

    environment: Environment = field(kw_only=True)

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
        self.run_job(now)
        self.called("pods")
        # In a rollout there are pods of before and pods of now. The pooler is told when that is over.
        self.want(former, former, now)
        self.write(deployed=[now.password, now.logins.text()])
        self.want(former, now)
        self.called("told")
        self.want(now, now)

    def run_job(self, access: DatabaseAccess) -> None:
        """What brings the server's users to what is configured."""
        names, server, secrets = self.environment.names, self.environment.server, secrets_of(access)
        content = secret_contents.logins_secret(secrets, names)
        if names.shared:
            variables = {
                "ADMIN_CONNECTION": server.url(MASTER, MASTER_PASSWORD, MASTER),
                "DATABASE_PASSWORD": content["password"],
                "SECOND_USER": names.second_user,
                "SECOND_PASSWORD": content["second-password"],
                "WAIT_SECONDS": "0",
            }
            with pytest.MonkeyPatch.context() as patch:
                for key, value in variables.items():
                    patch.setenv(key, value)
                assert branch_database.main(["create", names.database]) == 0
            return
        user = secret_contents.database_user(secrets, names)
        url = server.url(user, access.password, names.database)
        if self.environment.rds:
            self.environment.modify_instance(access.logins.of_rds)
            self.called("modified")
            content = secret_contents.rds_logins_secret(secrets, names)
            prepare_database.settle_owner(
                {
                    prepare_database.CONNECTION: url,
                    "DATABASE_USER": names.database,
                    "DATABASE_PASSWORD": content["password"],
                    "DATABASE_OWNER": content["owner"],
                    "SECOND_USER": content["second-username"],
                    "SECOND_PASSWORD": content["second-password"],
                }
            )
            return
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", url)
            prepare_database.settle_logins(
                names.database, content["password"], names.second_user, content["second-password"]
            )

    def want(self, listed: DatabaseAccess, *pods: DatabaseAccess) -> None:
        names = self.environment.names
        logins = [
            [secret_contents.database_user(secrets, names), secrets.database_password]
            for secrets in map(secrets_of, pods)
        ]
        users = secret_contents.database_users(secrets_of(listed), names)
        self.environment.want(logins, users)

    def accepted(self, passwords: Mapping[str, str]) -> Mapping[str, bool]:
        self.called("accepted")
        names = self.environment.names
        users = {"first": names.database, "second": names.second_user}
        # Any login that gets in would do to ask; the server is asked as the Job asks it.
        logins = [(users[which], password) for which, password in passwords.items()]
        url = self.environment.libpq(names.database, "")
        return dict(zip(passwords, logins_script.accepted(url, logins), strict=True))

    def make(self) -> str:
        return os.urandom(12).hex() + "/p@ss word'"


@pytest.fixture(scope="module", params=["cluster", "branch", "rds"])
def environment(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Environment]:
    """The kit's own server with a PgBouncer; a branch's database as it is on RDS; and that of an environment on RDS."""
    shared, pooled, rds = (request.param == kind for kind in ("branch", "cluster", "rds"))
    version = "15" if pooled else "18"
    with postgresql.running(version) as server:
        names = Names("dev-x-012345" if shared else "dev", shared=shared)
        folder = tmp_path_factory.mktemp("environment")
        it = Environment(server, names, pooled, folder, rds)
        cluster = multiprocessing.get_context("fork").Process(
            target=Cluster(it).run, args=(folder / "over",)
        )
        cluster.start()
        try:
            yield it
        finally:
            (folder / "over").touch()
            cluster.join()


@pytest.fixture(scope="module")
def deployed(environment: Environment) -> Served:
    file = environment.folder / "state.json"
    password = "the first p@ss/word" if environment.names.shared else MASTER_PASSWORD
    file.write_text(json.dumps({key: [password, ""] for key in ("configured", "deployed")}))
    it = Served(file, environment=environment)
    it.run_job(it.configured())
    environment.server.superuser(
        f"set role {environment.names.database}",
        "create table work (name text)",
        database=environment.names.database,
    )
    it.want(it.configured(), it.configured())
    return it


def rotated(installation: Served) -> database.RotatedDatabase:
    return database.rotate(installation, lambda _: None)


def ask(environment: Environment, query: str) -> list[tuple[object, ...]]:
    return environment.server.superuser(query, database=environment.names.database)


def test_no_login_fails_and_the_old_password_is_refused(
    deployed: Served, environment: Environment
) -> None:
    for user in ("second", "first"):
        it, old = Served(deployed.file, environment=environment), deployed.deployed()
        done = rotated(it)
        assert it.calls == environment.steps
        assert (done.resumed, done.user) == (False, user)
        new = it.deployed()
        assert new != old
        assert it.configured().logins.passwords == (new,)
        assert it.accepted({"first": old, "second": old}) == {"first": False, "second": False}
        assert it.state()["record"] is None
    assert environment.said("failures") == set()
    users = {environment.names.database, environment.names.second_user}
    assert environment.said("served") == users
    # The first user acted as itself until there was a second one.
    acted = {name for (name,) in ask(environment, "select distinct name from work")}
    assert acted == {environment.names.database, environment.owner}


@pytest.mark.slow
def test_killed_at_any_step_it_is_ended_by_the_next(
    deployed: Served, environment: Environment
) -> None:
    for step, name in enumerate(environment.steps, start=1):
        old = deployed.deployed()
        killed = Served(deployed.file, kill_at=step, environment=environment)
        assert in_a_process(lambda it=killed: rotated(it)) == -signal.SIGKILL, name
        done = rotated(Served(deployed.file, environment=environment))
        assert done.resumed == (step > 3), name
        assert deployed.state()["record"] is None
        assert deployed.accepted({"first": old, "second": old}) == {"first": False, "second": False}
    assert environment.said("failures") == set()


def test_no_password_reaches_the_servers_log(deployed: Served, environment: Environment) -> None:
    """It writes down every statement."""
    rotated(Served(deployed.file, environment=environment))
    log = (environment.server.folder / "log").read_text()
    assert "alter role" in log
    assert deployed.deployed() not in log
    assert deployed.deployed().replace("'", "''") not in log


def test_whoever_owns_the_database_owns_what_the_second_makes(
    deployed: Served, environment: Environment
) -> None:
    access = deployed.configured()
    if not access.logins.second:
        rotated(Served(deployed.file, environment=environment))
        access = deployed.configured()
    owner, second = environment.owner, environment.names.second_user
    connection = psycopg2.connect(environment.libpq(second, access.password))
    with connection, connection.cursor() as cursor:
        cursor.execute("create table made (id serial)")
        cursor.execute("select tableowner from pg_tables where tablename = 'made'")
        assert cursor.fetchone() == (owner,)
        cursor.execute("drop table made")
    connection.close()


def test_a_login_that_the_server_does_not_know_is_not_used(
    deployed: Served, environment: Environment
) -> None:
    """As of a branch whose base's image is older: its Job does not know of a second user."""

    class Older(Served):
        def run_job(self, access: DatabaseAccess) -> None:
            pass

    old = deployed.configured()
    with pytest.raises(KitError, match="does not know the new login"):
        rotated(Older(deployed.file, environment=environment))
    assert deployed.configured().password == deployed.deployed() == old.password
    assert rotated(Served(deployed.file, environment=environment)).resumed
    assert environment.said("failures") == set()


class TestRefused:
    """Before anything is changed."""

    @pytest.fixture
    def installation(self, tmp_path: Path) -> Served:
        file = tmp_path / "state.json"
        first = ["a-first-password", ""]
        file.write_text(json.dumps({"configured": first, "deployed": first}))
        # Nothing of the stack is reached: it is refused before.
        nowhere = Environment(None, Names("dev"), False, tmp_path)  # type: ignore[arg-type]
        return Served(file, environment=nowhere)

    def unchanged(self, installation: Served, match: str) -> None:
        before = installation.state()
        with pytest.raises(UserError, match=match):
            rotated(installation)
        assert installation.state() == before

    def test_a_password_that_is_not_the_deployed_one(self, installation: Served) -> None:
        installation.write(deployed=["another-password", ""])
        self.unchanged(installation, "not the deployed one alone")

    def test_two_that_no_rotation_has_set(self, installation: Served) -> None:
        both = installation.configured().logins.with_idle("a-second-password")
        installation.write(configured=["a-first-password", both.text()])
        self.unchanged(installation, "not the deployed one alone")

    def test_a_password_that_somebody_has_set_meanwhile(self, installation: Served) -> None:
        old = installation.configured()
        new = old.logins.with_idle("a-second-password").only("a-second-password")
        installation.begin(Rotation.begin(old.logins.text(), new.text()))
        other = replace(old, password="somebody-elses")
        installation.write(configured=[other.password, old.logins.text()])
        self.unchanged(installation, "databasePassword was changed while its rotation was under")


def test_no_password_is_shown() -> None:
    logins = database_logins.Logins.alone("a-first-password").with_idle("a-second-password")
    rotation = Rotation.begin(logins.only("a-first-password").text(), logins.text())
    shown = repr([rotation, logins, DatabaseAccess("a-first-password", logins)])
    assert "password" not in shown.replace("password=", "")

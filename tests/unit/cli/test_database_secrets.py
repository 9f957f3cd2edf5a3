"""`secrets rotate database` and `secrets rotate monitor`, as they are typed."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.operations.rotation import database
from cli.stack import rotation
from infra.contract import metrics
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeBackend, FakeSession
from tests.unit.cli.installed import Serving
from tests.unit.cli.operations.rotation.conftest import Cluster

RunJson = Callable[..., Any]


class TestDatabase:
    """From the command to the proof. The server is real in cli/operations/rotation/test_database.py."""

    @pytest.fixture
    def serving(self, deployed: FakeBackend, session: FakeSession) -> Serving:
        session.fake_kubernetes = it = Serving(deployed)
        return it

    def password(self, backend: FakeBackend) -> str:
        return str(backend.values["aerodrome:databasePassword"].value)

    def test_three_deployments_and_a_proof_there_and_back(
        self, run: Run, deployed: FakeBackend, session: FakeSession, serving: Serving
    ) -> None:
        session.day = datetime.now(UTC).date()
        seen = [self.password(deployed)]
        for _ in range(2):
            deployed.calls.clear()
            done = run("secrets", "rotate", "database")
            assert done.exit_code == 0, done.output
            assert deployed.calls == ["up"] * 3
            for number, title in enumerate(database.STEPS, start=1):
                assert f"[{number}/3] {title}" in done.stderr
            assert "and nobody with the old one" in done.stdout
            seen.append(self.password(deployed))
            assert not [text for text in seen if text in done.output]
        assert len(set(seen)) == 3
        assert rotation.unfinished(deployed) == []
        assert rotation.made(deployed)["databasePassword"] == session.day
        jobs = [one for one in serving.made if one["kind"] == "Job"]
        assert jobs
        assert not [text for text in seen if text in json.dumps(jobs)]
        assert serving.calls[-1] == ("delete", "Secret", "airflow-database-logins")

    def test_as_json(self, run_json: RunJson, serving: Serving) -> None:
        found = run_json("secrets", "rotate", "database")
        assert (found["user"], found["oldPasswordRefused"], found["resumed"]) == (
            "second",
            True,
            False,
        )

    def test_an_old_password_that_works_is_no_success(
        self,
        run: Run,
        run_json: RunJson,
        deployed: FakeBackend,
        session: FakeSession,
        serving: Serving,
    ) -> None:
        session.day = datetime.now(UTC).date()
        serving.stuck = True
        done = run("secrets", "rotate", "database")
        assert done.exit_code == 1
        assert "the server accepts the old password" in done.stderr
        assert "a rotation of databasePassword is not finished" in run("secrets", "status").output
        # Also on another day, and only as long as it is so.
        session.day += timedelta(days=2)
        assert run("secrets", "rotate", "database").exit_code == 1
        serving.stuck, password = False, self.password(deployed)
        session.day = datetime.now(UTC).date()
        assert run_json("secrets", "rotate", "database")["resumed"] is True
        assert self.password(deployed) == password

    def test_the_passwords_of_both_are_no_secret_of_their_own(
        self, run_json: RunJson, deployed: FakeBackend, serving: Serving
    ) -> None:
        run_json("secrets", "rotate", "database")
        names = [one["secret"] for one in run_json("secrets", "status")["secrets"]]
        assert "databasePassword" in names
        assert "databaseLogins" not in names

    def test_on_rds_it_is_replaced_there_and_back(
        self, run_json: RunJson, deployed: FakeBackend, serving: Serving
    ) -> None:
        deployed.set_config("aerodrome:database", "rds", secret=False)
        for user in ("second", "first"):
            found = run_json("secrets", "rotate", "database")
            assert (found["user"], found["oldPasswordRefused"]) == (user, True)

    @pytest.mark.parametrize("server", ["in-cluster", "rds"])
    def test_a_server_that_knows_of_no_second_user_is_refused(
        self, run: Run, deployed: FakeBackend, session: FakeSession, server: str
    ) -> None:
        deployed.set_config("aerodrome:database", server, secret=False)
        session.fake_kubernetes = Cluster("")
        before = dict(deployed.values)
        done = run("secrets", "rotate", "database")
        assert done.exit_code == 2
        assert "could not rotate the password of its database" in done.stderr
        assert "./aerodrome up" in done.stderr
        assert (deployed.values, deployed.calls) == (before, [])


class TestMonitor:
    """The user who reads PostgreSQL's figures."""

    KEY = "aerodrome:metricsDatabasePassword"

    @pytest.fixture
    def serving(self, deployed: FakeBackend, session: FakeSession) -> Serving:
        deployed.set_config("aerodrome:monitoring", "metrics", secret=False)
        deployed.set_config(self.KEY, "the-first-password", secret=True)
        session.fake_kubernetes = it = Serving(deployed)
        return it

    def test_one_deployment_and_a_proof(
        self, run: Run, deployed: FakeBackend, session: FakeSession, serving: Serving
    ) -> None:
        done = run("secrets", "rotate", "monitor")
        assert done.exit_code == 0, done.output
        new = str(deployed.values[self.KEY].value)
        assert new != "the-first-password"
        assert new not in done.output
        assert deployed.calls == ["up"]
        assert rotation.made(deployed)["metricsDatabasePassword"] == session.day
        (secret,) = [one for one in serving.made if one["kind"] == "Secret"]
        logins = json.loads(secret["stringData"]["LOGINS"])
        assert logins == [[metrics.MONITOR, new], [metrics.MONITOR, "the-first-password"]]

    def test_an_old_password_that_works_is_no_success(self, run: Run, serving: Serving) -> None:
        serving.stuck = True
        done = run("secrets", "rotate", "monitor")
        assert done.exit_code == 1
        assert "does not have the new password" in done.stderr

    def test_without_metrics_there_is_none(self, run: Run, deployed: FakeBackend) -> None:
        before = dict(deployed.values)
        done = run("secrets", "rotate", "monitor")
        assert done.exit_code == 2
        assert "has no metricsDatabasePassword to replace" in done.stderr
        assert (deployed.values, deployed.calls) == (before, [])

"""`access check`, `access diff` and `access apply`, as they are typed, and what `up` does with the file."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from cli.base.environments import Environment
from cli.base.values import Secret
from cli.cloud.kubernetes import Object
from cli.operations import access
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeBackend, FakeSession
from tests.unit.cli.operations.rotation.conftest import Cluster

RunJson = Callable[..., Any]

FILE = "tests/program/access.yaml"
NOTHING: dict[str, list[str]] = {"created": [], "removed": [], "undeclared": []}


class Deployed(Cluster):
    """A cluster in which the file is deployed, or not."""

    deployed = True

    def find(self, kind: str, name: str) -> Object | None:
        if kind == "configmap":
            return {"data": {"access.json": "{}"} if self.deployed else {}}
        return self.service if kind == "service" else super().find(kind, name)


@pytest.fixture
def cluster(session: FakeSession) -> Deployed:
    session.fake_kubernetes = made = Deployed("")
    made.answer = json.dumps(NOTHING)
    return made


@pytest.fixture
def deployed(run: Run, session: FakeSession, cluster: Deployed) -> FakeBackend:
    backend = session.fake_backend
    backend.values["aerodrome:accessFile"] = FILE
    done = run("up", "--no-proof")
    assert done.exit_code == 0, done.output
    cluster.made.clear()
    cluster.calls.clear()
    return backend


class TestCheck:
    """The file alone."""

    def test_a_good_file(self, run_json: RunJson, session: FakeSession) -> None:
        session.fake_backend.values["aerodrome:accessFile"] = FILE
        assert run_json("access", "check") == {
            "file": FILE,
            "roles": ["analyst"],
            "users": ["alice"],
            "groups": [],
        }

    def test_groups_of_a_provider(self, run: Run, session: FakeSession) -> None:
        session.fake_backend.values["aerodrome:accessFile"] = "tests/program/groups.yaml"
        done = run("access", "check")
        assert done.exit_code == 0, done.output
        assert "groups.yaml is valid: 0 roles, 0 users, 1 group" in done.output

    def test_none(self, run: Run) -> None:
        done = run("access", "check")
        assert done.exit_code == 2
        assert "There is no access.yaml" in done.stderr

    def test_a_bad_one_is_refused_with_its_lines_everywhere(
        self, run: Run, session: FakeSession, cluster: Deployed
    ) -> None:
        # The account of the configuration is nobody else's.
        session.fake_backend.values |= {
            "aerodrome:accessFile": FILE,
            "aerodrome:adminUser": "alice",
        }
        for words in (["access", "check"], ["up"], ["preview"]):
            done = run(*words)
            assert done.exit_code == 2, done.output
            assert f"{FILE} is not valid, and nothing was applied" in done.stderr
            assert f"{FILE}:4:3: users.alice: alice is the administrator" in done.stderr
        assert "up" not in session.fake_backend.calls
        assert cluster.made == []


class TestUp:
    """First passwords, and drift."""

    def test_each_user_gets_a_first_password_once(self, run: Run, deployed: FakeBackend) -> None:
        first = deployed.values["access:alice"]
        assert isinstance(first, Secret)
        assert len(first.value) >= 20
        done = run("up", "--no-proof")
        assert deployed.values["access:alice"] is first
        assert first.value not in done.output

    def test_drift_is_put_right_and_told(
        self, run_json: RunJson, run: Run, deployed: FakeBackend, cluster: Deployed
    ) -> None:
        cluster.answer = json.dumps({**NOTHING, "drift": ["role analyst (-delete Pools)"]})
        assert run_json("up", "--no-proof")["access"] == {"drift": ["role analyst (-delete Pools)"]}
        (job,) = cluster.made
        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert container["args"] == ["python", "/opt/airflow/scripts/sync_access.py"]
        told = "role analyst (-delete Pools): had been changed by hand, and is as declared again"
        assert told in run("up", "--no-proof").stderr

    def test_where_no_file_is_deployed_no_job_runs(
        self, run_json: RunJson, deployed: FakeBackend, cluster: Deployed
    ) -> None:
        cluster.deployed = False
        assert run_json("up", "--no-proof")["access"] == {}
        assert cluster.made == []


class TestDiffAndApply:
    """A Job with a Secret that goes again."""

    def test_diff_is_a_dry_run_without_passwords(
        self, run_json: RunJson, deployed: FakeBackend, cluster: Deployed
    ) -> None:
        cluster.answer = json.dumps({**NOTHING, "created": ["user alice"]})
        found = run_json("access", "diff")
        assert (found["differs"], found["created"]) == (True, ["user alice"])
        secret, job = cluster.made
        assert secret["stringData"].keys() == {"ACCESS_DECLARED", "ACCESS_DRY_RUN"}
        names = [one["name"] for one in job["spec"]["template"]["spec"]["containers"][0]["env"]]
        assert names[-2:] == ["ACCESS_DECLARED", "ACCESS_DRY_RUN"]
        assert cluster.calls[-1] == ("delete", "Secret", secret["metadata"]["name"])

    def test_what_was_made_by_hand_is_no_difference(
        self, run: Run, deployed: FakeBackend, cluster: Deployed
    ) -> None:
        cluster.answer = json.dumps({**NOTHING, "undeclared": ["user carol"]})
        done = run("access", "diff")
        assert "user carol: was made by hand; would be left as it is" in done.stdout
        assert "Airflow is as access.yaml says" in done.stdout

    def test_apply_makes_passwords_and_hands_them_over_in_the_secret(
        self, run: Run, deployed: FakeBackend, cluster: Deployed
    ) -> None:
        del deployed.values["access:alice"]
        cluster.answer = json.dumps({**NOTHING, "created": ["user alice"]})
        done = run("access", "apply")
        assert done.exit_code == 0, done.output
        assert "user alice: made" in done.stdout
        password = deployed.values["access:alice"].value
        secret, job = cluster.made
        assert json.loads(secret["stringData"]["ACCESS_PASSWORDS"]) == {"alice": password}
        assert password not in json.dumps(job) + done.output
        assert cluster.calls[-1][:2] == ("delete", "Secret")

    def test_neither_works_where_nothing_is_deployed(self, run: Run) -> None:
        for verb in ("diff", "apply"):
            assert run("access", verb).exit_code == 2


def test_owners_are_read_without_an_environment(session: FakeSession) -> None:
    session.fake_backend.values["aerodrome:accessFile"] = "tests/program/owners.yaml"
    given = json.loads(access.owners(session, Environment("sandbox")))
    assert given["finance"]["access"] == {"analyst": ["can_read"]}
    session.fake_backend.values.clear()
    assert access.owners(session, Environment("sandbox")) == ""

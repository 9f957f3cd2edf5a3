"""Environments of git branches: up on a base, what is refused before anything is made, how long they stay."""

import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cli.base import lease, passphrase
from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.git import NoBranch
from cli.stack import rotation
from infra.contract.naming import branch_environment
from infra.contract.outputs import CONTRACT, Outputs
from infra.contract.settings import SECRETS
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeBackend, FakeSession

BRANCH = "feature/login"
NAME = branch_environment("sandbox", BRANCH)
RunJson = Callable[..., Any]


@pytest.fixture
def base(session: FakeSession, run_json: RunJson) -> FakeSession:
    """The base is up, and the branch is checked out."""
    run_json("up")
    session.fake_airflow.calls.clear()
    session.fake_checkout.current = BRANCH
    role = {
        "RoleName": f"aerodrome-{NAME}-airflow-1a2b3c4",
        "Path": f"/aerodrome/{NAME}/",
        "Arn": "arn:aws:iam::1:role/x",
    }
    tags = [{"Key": "aerodrome:environment", "Value": NAME}]
    session.fake_cloud.answers = {
        "list_roles": [{"Roles": [role]}],
        "list_role_tags": [{"Tags": tags}],
    }
    # Not the default, so that whoever takes it has looked here.
    session.fake_backend.values["aws:region"] = "eu-north-1"
    return session


def test_up_on_a_branch_makes_its_environment_on_the_base(
    base: FakeSession, run_json: RunJson
) -> None:
    data = run_json("up")
    assert data["environment"] == NAME
    assert (data["tenancy"], data["base"], data["branch"]) == ("shared", "sandbox", BRANCH)
    assert data["expires"] == "2027-03-04"
    assert data["url"] == "http://10.213.3.2:31234"
    assert data["provedNow"] is True
    plain = base.fake_backends[NAME].plain()
    assert "fernetKey" in plain.pop(rotation.MADE)
    assert plain == {
        "aerodrome:tenancy": "shared",
        "aerodrome:base": "sandbox",
        "aerodrome:environment": NAME,
        "aerodrome:branch": BRANCH,
        "aerodrome:repository": "example.com/team/dags",
        "aerodrome:uiServiceType": "NodePort",
        "aerodrome:expires": "2027-03-04",
        "aerodrome:used": "2027-03-01",
        "aws:region": "eu-north-1",
    }
    # Each was looked into: the base when it was deployed, the branch now.
    assert set(base.fake_kubernetes.namespaces) == {"airflow", f"airflow-{NAME}"}


def test_its_secrets_are_its_own(base: FakeSession, run_json: RunJson) -> None:
    run_json("up")
    for name in SECRETS:
        key = f"aerodrome:{name}"
        assert base.fake_backends[NAME].values[key].value != base.fake_backend.values[key].value


def test_the_base_is_left_alone(base: FakeSession, run_json: RunJson) -> None:
    before = dict(base.fake_backend.values), list(base.fake_backend.calls)
    run_json("up")
    assert (base.fake_backend.values, base.fake_backend.calls) == before


def test_up_says_what_to_do_next_on_the_same_branch(base: FakeSession, run: Run) -> None:
    assert "password   ./aerodrome config get adminPassword --show\n" in run("up").stdout
    base.fake_checkout.current = "main"
    shown = run("up", "--branch", BRANCH).stdout
    assert f"./aerodrome open --branch {BRANCH}\n" in shown
    assert f"belongs to branch {BRANCH}, in the cluster of sandbox" in shown
    assert "kept until 2027-03-04" in shown


def test_a_second_up_changes_nothing(base: FakeSession, run_json: RunJson) -> None:
    run_json("up")
    before = dict(base.fake_backends[NAME].values)
    second = run_json("up")
    assert second["changed"] is False
    assert second["provedNow"] is False
    assert base.fake_backends[NAME].values == before


def test_an_up_that_was_killed_in_the_configuration_goes_on(
    base: FakeSession, run_json: RunJson
) -> None:
    base.fake_backends[NAME] = FakeBackend(values={"aerodrome:tenancy": "shared"})
    assert run_json("up")["tenancy"] == "shared"
    assert base.fake_backends[NAME].values["aerodrome:base"] == "sandbox"


def test_by_its_name_it_is_still_a_branch_s(base: FakeSession, run_json: RunJson) -> None:
    run_json("up")
    base.day = date(2027, 3, 2)
    data = run_json("up", "--env", NAME)
    assert (data["tenancy"], data["base"], data["branch"]) == ("shared", "sandbox", BRANCH)
    assert data["expires"] == "2027-03-05"


class TestRefused:
    """Each with exit 2 and what to do, and nothing made."""

    @pytest.fixture(autouse=True)
    def nothing_made(self, session: FakeSession) -> Any:
        session.fake_checkout.current = BRANCH
        yield
        backend = session.fake_backends.get(NAME)
        assert backend is None or (backend.values == {} and backend.calls == [])
        assert not Environment(NAME).record_file.exists()

    @pytest.fixture(params=["up", "preview"])
    def refused(self, request: pytest.FixtureRequest, run: Run) -> Callable[..., None]:
        def check(*texts: str, options: tuple[str, ...] = ()) -> None:
            result = run(request.param, *options)
            assert result.exit_code == 2, result.output
            for text in texts:
                assert text in result.stderr

        return check

    def test_no_base(self, refused: Callable[..., None], session: FakeSession) -> None:
        refused('The base environment "sandbox" is not deployed', "./aerodrome up --env sandbox")
        assert session.fake_machine.sandbox is None

    def test_a_base_of_an_earlier_life_of_the_sandbox(
        self, refused: Callable[..., None], session: FakeSession, run_json: RunJson
    ) -> None:
        run_json("up", "--env", "sandbox")
        session.fake_machine.sandbox = None
        session.console.json = False
        session.fake_machine.up("default", report=lambda _: None, ui_port=1)
        refused("is not deployed on the sandbox")

    @pytest.mark.parametrize("outputs", [{}, {"contract": None}, {"contract": CONTRACT - 1}])
    def test_an_older_base(
        self,
        outputs: dict[str, Any],
        refused: Callable[..., None],
        session: FakeSession,
        run_json: RunJson,
    ) -> None:
        session.fake_backend.more = outputs
        run_json("up", "--env", "sandbox")
        session.console.json = False
        refused("older version", "./aerodrome up --env sandbox")

    def test_a_base_that_is_being_taken_down(
        self, refused: Callable[..., None], session: FakeSession, run_json: RunJson
    ) -> None:
        run_json("up", "--env", "sandbox")
        session.console.json = False
        with lease.held(Environment("sandbox"), "down", lambda _: None):
            refused('"sandbox" is being destroyed', f"process {os.getpid()}")

    def test_a_base_whose_down_begins_in_between(
        self, session: FakeSession, run: Run, run_json: RunJson
    ) -> None:
        """After the first look at the base, and before the lease of the branch is held."""
        run_json("up", "--env", "sandbox")
        session.console.json = False
        with ExitStack() as stack:
            session.begins[NAME] = lambda: stack.enter_context(
                lease.held(Environment("sandbox"), "down", lambda _: None)
            )
            result = run("up")
        assert result.exit_code == 2
        assert '"sandbox" is being destroyed' in result.stderr

    def test_a_base_that_is_half_taken_down(
        self, refused: Callable[..., None], session: FakeSession, run_json: RunJson
    ) -> None:
        run_json("up", "--env", "sandbox")
        session.console.json = False
        with pytest.raises(KitError), lease.held(Environment("sandbox"), "down", print) as holding:
            holding.begun = True
            raise KitError("The engine failed")
        refused('"sandbox" is partly destroyed', "./aerodrome down --env sandbox")

    def test_a_base_that_is_a_branch_s_itself(
        self, refused: Callable[..., None], session: FakeSession, run_json: RunJson
    ) -> None:
        run_json("up", "--env", "sandbox")
        other = run_json("up", "--branch", "other")["environment"]
        session.console.json = False
        refused("is itself shared", "--base sandbox", options=("--base", other))

    def test_a_dedicated_one_beside_the_base(
        self, run: Run, session: FakeSession, run_json: RunJson
    ) -> None:
        run_json("up", "--env", "sandbox")
        session.console.json = False
        result = run("up", "--tenancy", "dedicated")
        assert result.exit_code == 2
        assert 'carries the environment "sandbox" already' in result.stderr
        assert "AERODROME_SANDBOX=" in result.stderr

    @pytest.mark.parametrize("lifetime", ["0", "-1", "soon", "99999", ""])
    def test_a_lifetime_that_is_none(self, run: Run, lifetime: str) -> None:
        result = run("up", f"--lifetime={lifetime}")
        assert result.exit_code == 2
        assert "is no lifetime" in result.stderr

    def test_a_detached_head(self, refused: Callable[..., None], session: FakeSession) -> None:
        session.fake_checkout.current = NoBranch("No git branch is checked out", "It is detached.")
        refused("No git branch is checked out", "--env sandbox")


def test_the_others_on_a_sandbox_are_looked_at_with_the_passphrase(
    base: FakeSession, run_json: RunJson
) -> None:
    seen = []

    class Looked(FakeBackend):
        def deployed(self) -> bool:
            seen.append(passphrase.shared_file().exists())
            return super().deployed()

    run_json("up")
    base.fake_backends[NAME] = Looked(there=5, values=base.fake_backends[NAME].values)
    run_json("preview", "--env", "sandbox")
    assert seen
    assert all(seen)


def test_shared_by_name_has_no_base(run: Run) -> None:
    result = run("up", "--env", "sandbox-two", "--tenancy", "shared")
    assert result.exit_code == 2
    assert "has no base to share" in result.stderr


def test_a_tenancy_stays(base: FakeSession, run: Run, run_json: RunJson) -> None:
    run_json("up")
    base.console.json = False
    result = run("up", "--tenancy", "dedicated")
    assert result.exit_code == 2
    assert f'Environment "{NAME}" is shared, not dedicated' in result.stderr


def test_the_old_name_of_the_option_works_with_a_warning(base: FakeSession, run: Run) -> None:
    result = run("up", "--rung", "shared")
    assert result.exit_code == 0, result.output
    assert "--rung is called --tenancy now" in result.stderr
    assert base.fake_backends[NAME].values["aerodrome:tenancy"] == "shared"


@pytest.mark.parametrize("verb", ["up", "preview"])
def test_both_names_of_the_option(base: FakeSession, verb: str, run: Run) -> None:
    result = run(verb, "--rung", "shared", "--tenancy", "dedicated")
    assert result.exit_code == 2
    assert "Either --tenancy or --rung" in result.stderr


def test_a_dedicated_environment_of_a_branch(base: FakeSession, run_json: RunJson) -> None:
    base.sandbox_name = "two"
    data = run_json("up", "--tenancy", "dedicated")
    assert (data["tenancy"], data["base"], data["branch"]) == ("dedicated", "", BRANCH)
    assert data["expires"] == "2027-03-04"
    assert data["url"] == "http://localhost:8080"
    assert base.fake_backends[NAME].values["aerodrome:uiNodePort"] == "30080"


class TestLifetime:
    @pytest.fixture(autouse=True)
    def up(self, base: FakeSession, run_json: RunJson) -> None:
        run_json("up")
        base.console.json = False

    def plain(self, session: FakeSession) -> tuple[str, str]:
        values = session.fake_backends[NAME].plain()
        return values["aerodrome:used"], values["aerodrome:expires"]

    def test_it_can_be_chosen(self, session: FakeSession, run_json: RunJson) -> None:
        assert run_json("up", "--lifetime", "10")["expires"] == "2027-03-11"
        assert run_json("up")["expires"] == "2027-03-11"
        assert run_json("up", "--lifetime", "1")["expires"] == "2027-03-02"
        assert run_json("up", "--lifetime", "never")["expires"] == "never"
        assert run_json("up")["expires"] == "never"

    @pytest.mark.parametrize("verb", [["open", "--print"], ["logs", "scheduler"], ["exec", "true"]])
    def test_use_keeps_it(self, verb: list[str], session: FakeSession, run: Run) -> None:
        session.fake_kubernetes.pods = [POD]
        session.day = date(2027, 3, 3)
        assert run(*verb).exit_code == 0
        assert self.plain(session) == ("2027-03-03", "2027-03-06")

    def test_a_look_at_its_status_does_not(self, session: FakeSession, run: Run) -> None:
        session.day = date(2027, 3, 3)
        assert run("status").exit_code == 0
        assert self.plain(session) == ("2027-03-01", "2027-03-04")

    def test_use_is_told_the_cloud_once_a_day(self, session: FakeSession, run: Run) -> None:
        session.day = date(2027, 3, 3)
        run("open", "--print")
        (role,) = (item["RoleName"] for item in session.fake_cloud.tagged)
        assert role == f"aerodrome-{NAME}-airflow-1a2b3c4"
        assert session.fake_cloud.tagged == [{"RoleName": role, "Tags": TAGS}]
        session.fake_cloud.tagged.clear()
        run("logs", "scheduler")
        assert session.fake_cloud.tagged == []

    def test_the_base_is_not_kept_by_use(self, session: FakeSession, run: Run) -> None:
        run("open", "--print", "--env", "sandbox")
        assert "aerodrome:expires" not in session.fake_backend.values
        assert session.fake_cloud.tagged == []

    def test_it_can_be_extended(self, session: FakeSession, run: Run, run_json: RunJson) -> None:
        session.day = date(2027, 3, 2)
        result = run("extend", "--days", "14")
        assert result.stdout == f"{NAME} is kept until 2027-03-16\n"
        assert self.plain(session) == ("2027-03-02", "2027-03-16")
        assert run_json("up")["expires"] == "2027-03-16"
        data = run_json("extend", "--until", "2027-03-05")
        assert data == {"environment": NAME, "expires": "2027-03-05", "used": "2027-03-02"}
        assert run_json("extend", "--until", "never")["expires"] == "never"

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ([], "Give --days or --until"),
            (["--days", "3", "--until", "never"], "Give --days or --until"),
            (["--until", "2027-02-30"], "is no date"),
            (["--until", "2027-02-28"], "is past"),
            (["--days", "0"], "--days"),
        ],
    )
    def test_what_is_no_extension(self, options: list[str], text: str, run: Run) -> None:
        result = run("extend", *options)
        assert result.exit_code == 2
        assert text in result.stderr

    def test_who_may_not_tag_may_still_look(self, session: FakeSession, run: Run) -> None:
        session.fake_cloud.denied = True
        session.day = date(2027, 3, 3)
        result = run("open", "--print")
        assert result.exit_code == 0
        assert result.stdout == "http://10.213.3.2:31234\n"
        assert "could not be recorded" in result.stderr


POD = {
    "metadata": {"name": "scheduler-1"},
    "spec": {"containers": [{"name": "scheduler"}]},
    "status": {"phase": "Running"},
}
TAGS = [
    {"Key": "aerodrome:expires", "Value": "2027-03-06"},
    {"Key": "aerodrome:used", "Value": "2027-03-03"},
]


class TestExec:
    @pytest.fixture(autouse=True)
    def up(self, base: FakeSession, run_json: RunJson) -> None:
        run_json("up")
        base.console.json = False
        base.fake_kubernetes.pods = [
            {"metadata": {"name": "old"}, "spec": {}, "status": {"phase": "Failed"}},
            POD,
        ]

    def test_a_command_runs_in_the_scheduler(self, session: FakeSession, run: Run) -> None:
        assert run("exec", "--", "airflow", "dags", "list").exit_code == 0
        where = ("exec", "--stdin", "scheduler-1", "--container=scheduler", "--")
        assert session.fake_kubernetes.calls[-1] == (*where, "airflow", "dags", "list")
        component = "app.kubernetes.io/component=scheduler"
        assert ("objects", "pods", component) in session.fake_kubernetes.calls

    def test_or_in_another_component(self, session: FakeSession, run: Run) -> None:
        assert run("exec", "api-server", "--", "env", "-0").exit_code == 0
        assert session.fake_kubernetes.calls[-1][-2:] == ("env", "-0")
        component = "app.kubernetes.io/component=api-server"
        assert ("objects", "pods", component) in session.fake_kubernetes.calls

    def test_its_exit_code_is_ours(self, session: FakeSession, run: Run) -> None:
        session.fake_kubernetes.code = 7
        assert run("exec", "--", "false").exit_code == 7
        data = json.loads(run("exec", "--json", "--", "false").stdout)
        assert data == {
            "pod": "scheduler-1",
            "exitCode": 7,
            "output": "what it said\n",
            "errors": "",
        }

    def test_nothing_to_run(self, run: Run) -> None:
        assert "COMMAND" in run("exec").stderr
        result = run("exec", "scheduler")
        assert result.exit_code == 2
        assert "./aerodrome exec scheduler -- COMMAND" in result.stderr

    def test_no_pod_that_runs(self, session: FakeSession, run: Run) -> None:
        session.fake_kubernetes.pods = session.fake_kubernetes.pods[:1]
        result = run("exec", "--", "true")
        assert result.exit_code == 2
        assert "Its pods: Failed." in result.stderr

    def test_a_branch_has_no_database_pod(self, session: FakeSession, run: Run) -> None:
        session.fake_kubernetes.pods = []
        result = run("exec", "database", "--", "psql")
        assert result.exit_code == 2
        assert "./aerodrome exec --env sandbox database -- COMMAND" in result.stderr


def test_looking_into_what_is_not_deployed(base: FakeSession, run: Run) -> None:
    for verb in (
        ["open"],
        ["logs", "scheduler"],
        ["exec", "true"],
        ["extend", "--days=1"],
        ["proof"],
    ):
        result = run(*verb)
        assert result.exit_code == 2, verb
        assert f'Environment "{NAME}" is not deployed' in result.stderr
        assert BRANCH in result.stderr


def test_logs_come_from_its_own_namespace(base: FakeSession, run_json: RunJson) -> None:
    run_json("up")
    base.fake_kubernetes.namespaces.clear()
    assert run_json("logs", "scheduler")["lines"] == [
        "log of app.kubernetes.io/component=scheduler"
    ]
    assert base.fake_kubernetes.namespaces == [f"airflow-{NAME}"]


def test_an_up_that_failed_half_way_can_be_looked_into(
    base: FakeSession, run_json: RunJson
) -> None:
    run_json("up")
    base.fake_backends[NAME].outputs = lambda: Outputs({})  # type: ignore[method-assign]
    base.fake_kubernetes.namespaces.clear()
    assert run_json("logs", "scheduler")["lines"]
    assert base.fake_kubernetes.namespaces == [f"airflow-{NAME}"]


def test_status_tells_of_the_branch(base: FakeSession, run: Run, run_json: RunJson) -> None:
    run_json("up")
    data = run_json("status")
    assert data["environment"] == NAME
    assert (data["tenancy"], data["base"], data["branch"]) == ("shared", "sandbox", BRANCH)
    assert data["airflow"]["scheduler"] == "healthy"
    base.console.json = False
    shown = run("status").stdout
    assert "UI               http://10.213.3.2:31234\n" in shown
    assert f"branch           {BRANCH}, on sandbox" in shown


def test_a_service_that_somebody_deleted(base: FakeSession, run: Run, run_json: RunJson) -> None:
    run_json("up")
    base.console.json = False
    base.fake_kubernetes.service = None
    result = run("open", "--print")
    assert result.exit_code == 1
    assert 'The Service "airflow-api-server"' in result.stderr
    assert 'The Service "airflow-api-server"' in run("status").stdout


def test_the_list_shows_every_environment(
    base: FakeSession, run: Run, run_json: RunJson, folders: Path
) -> None:
    run_json("up")
    base.fake_backends["sandbox-empty"] = FakeBackend()
    base.fake_backends["dev"] = FakeBackend(there=2, error=None)
    found = {item["environment"]: item for item in run_json("list")}
    assert set(found) == {"sandbox", NAME, "dev"}
    assert found[NAME] == {
        "environment": NAME,
        "tenancy": "shared",
        "branch": BRANCH,
        "base": "sandbox",
        "created": "2027-02-27T10:00:00Z",
        "used": "2027-03-01",
        "expires": "2027-03-04",
        "health": "healthy",
        # Nothing of it is billed by the hour.
        "costSoFar": 0.0,
    }
    base.console.json = False
    base.day = date(2027, 3, 5)
    shown = run("list").stdout
    assert "2027-03-04 (past)" in shown
    assert "0.00 USD" in shown
    base.fake_airflow.reachable = False
    assert run_json("list")[0]["health"] == "Airflow does not answer"
    base.fake_machine.sandbox = None
    assert run_json("list")[0]["health"] == 'its sandbox "default" is not up'


def test_an_environment_that_cannot_be_read_is_listed_with_the_reason(
    session: FakeSession, run_json: RunJson
) -> None:
    class Broken(FakeBackend):
        def resources(self) -> Any:
            raise UserError("Wrong passphrase")

    session.fake_backends["dev"] = Broken()
    assert [(item["environment"], item["health"]) for item in run_json("list")] == [
        ("dev", "Wrong passphrase")
    ]


def test_nothing_to_list(run: Run) -> None:
    assert run("list").stdout == "no environment is deployed\n"

"""`secrets rotate` and `secrets status`, as they are typed."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from cli.base import lease
from cli.base.environments import Environment
from cli.base.errors import KitError
from cli.base.values import Secret
from cli.cloud.kubernetes import Object
from cli.operations.rotation import encryption, fernet, token_installation
from cli.stack import rotation
from cli.stack.rotation import Rotation
from infra.contract import database_logins
from infra.contract.settings import SECRETS
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeAirflow, FakeBackend, FakeSession
from tests.unit.cli.installed import Serving
from tests.unit.cli.operations.rotation.conftest import Cluster

RunJson = Callable[..., Any]


class TestStatus:
    """Ages."""

    def test_what_up_makes_is_of_that_day(self, run_json: RunJson, deployed: FakeBackend) -> None:
        found = {one["secret"]: one for one in run_json("secrets", "status")["secrets"]}
        assert {"fernetKey", "jwtSecret", "checksumKey"} <= found.keys()
        assert all(one["exact"] for one in found.values())

    def test_no_secret_is_shown(self, run: Run, deployed: FakeBackend) -> None:
        shown = run("secrets", "status", "--older-than", "0").output
        values = [str(one.value) for one in deployed.values.values() if isinstance(one, Secret)]
        assert len(values) >= 6
        assert not [value for value in values if value in shown]

    def test_old_ones_are_named_by_exit_code_1(
        self, run_json: RunJson, deployed: FakeBackend, session: FakeSession
    ) -> None:
        rotation.note_made(deployed, rotation.made(deployed), date(2027, 2, 1))
        rotation.note_made(deployed, ["fernetKey"], date(2026, 11, 1))
        session.day = date(2027, 3, 1)
        found = run_json("secrets", "status", "--older-than", "90", exit_code=1)
        assert found["old"] == ["fernetKey"]
        assert run_json("secrets", "status", "--older-than", "200")["old"] == []

    def test_a_new_value_is_of_today(
        self, run: Run, deployed: FakeBackend, session: FakeSession
    ) -> None:
        session.day = date(2027, 3, 9)
        assert run("config", "set", "adminPassword", stdin="another-password\n").exit_code == 0
        assert rotation.made(deployed)["adminPassword"] == date(2027, 3, 9)

    def test_an_unfinished_rotation_is_told(self, run: Run, deployed: FakeBackend) -> None:
        rotation.remember(deployed, rotation.FERNET, rotation.Rotation.begin("old", "new"))
        shown = run("secrets", "status").output
        assert "not finished" in shown
        assert "./aerodrome secrets rotate fernet" in shown


class Installed(Cluster):
    """A cluster that has what is configured, and a database with one row."""

    def __init__(self, backend: FakeBackend) -> None:
        super().__init__("")
        self.backend = backend
        one = {"encrypted": 1, "clear": 0, "own": 1, "other": 0, "lost": 0, "unreadable": []}
        self.answer = json.dumps({"connection": one, "anew": {"connection": 1}, "encrypted": {}})

    def find(self, kind: str, name: str, *, namespace: str = "") -> Object | None:
        self.key = str(self.backend.values[encryption.KEY].value)
        return super().find(kind, name) if kind == "secret" else self.service

    def logs(self, selector: str, *, lines: int) -> list[str]:
        encrypts = self.made and "FERNET_TASK" in str(self.made[-1])
        found = json.loads(self.answer)
        wanted = ("anew", "encrypted") if encrypts else ("connection",)
        return [json.dumps({key: found[key] for key in wanted})]


class TestFernet:
    """From the command to the proof."""

    @pytest.fixture
    def installed(self, deployed: FakeBackend, session: FakeSession) -> FakeBackend:
        session.fake_kubernetes = Installed(deployed)
        return deployed

    def test_three_deployments_and_a_proof(self, run: Run, installed: FakeBackend) -> None:
        old = installed.values[encryption.KEY].value
        done = run("secrets", "rotate", "fernet")
        assert done.exit_code == 0, done.output
        assert installed.calls == ["up"] * 3
        for number, title in enumerate(fernet.STEPS, start=1):
            assert f"[{number}/3] {title}" in done.stderr
        assert "encrypted anew: 1 connections" in done.stderr
        assert "proof: the new Fernet key reads 1 connections" in done.stdout
        new = installed.values[encryption.KEY].value
        assert new != old
        assert not [key for key in (new, old) if key in done.output]
        assert rotation.unfinished(installed) == []
        assert rotation.retired(installed) == [old]

    def test_as_json(self, run_json: RunJson, installed: FakeBackend) -> None:
        found = run_json("secrets", "rotate", "fernet")
        assert (found["rows"], found["readByOldKey"]) == ({"connection": 1}, 0)
        assert [phase["name"] for phase in found["phases"]] == list(fernet.STEPS)

    def test_it_goes_on_at_its_last_step(
        self, run: Run, installed: FakeBackend, session: FakeSession
    ) -> None:
        session.day = datetime.now(UTC).date()
        old, new = str(installed.values[encryption.KEY].value), SECRETS["fernetKey"]()
        rotation.remember(installed, rotation.FERNET, rotation.Rotation.begin(old, new))
        installed.set_config(encryption.KEY, new, secret=True)
        done = run("secrets", "rotate", "fernet")
        assert done.exit_code == 0, done.output
        assert "[3/3] without the old key" in done.stderr
        assert installed.calls == ["up"]
        assert installed.values[encryption.KEY].value == new

    def test_without_a_key_of_checksums_nothing_is_changed(
        self, run: Run, installed: FakeBackend, session: FakeSession
    ) -> None:
        del installed.values["aerodrome:checksumKey"]
        before = dict(installed.values)
        done = run("secrets", "rotate", "fernet")
        assert done.exit_code == 2
        assert "./aerodrome config set checksumKey" in done.stderr
        assert installed.values == before
        assert installed.calls == []


@dataclass
class Signing(FakeAirflow):
    """An Airflow that signs tokens with one key, and accepts those of several."""

    key: str = ""
    accepted: tuple[str, ...] = ()

    def token(self) -> str:
        return token_installation.signed("head.claims.", self.key)

    def accepts(self, token: str) -> bool:
        return token in {token_installation.signed("head.claims.", key) for key in self.accepted}


class TestTokens:
    """The last step and the proof; what comes before is in cli/operations/rotation/test_tokens.py."""

    @pytest.fixture
    def begun(self, deployed: FakeBackend, session: FakeSession) -> Rotation:
        session.day = datetime.now(UTC).date()
        session.fake_kubernetes = Cluster("")
        old, new = str(deployed.values["aerodrome:jwtSecret"].value), SECRETS["jwtSecret"]()
        begun = Rotation.begin(old, new)
        rotation.remember(deployed, rotation.TOKENS, begun)
        deployed.set_config("aerodrome:jwtSecret", new, secret=True)
        session.fake_airflow = Signing(key=new, accepted=(new,))
        return begun

    def test_it_goes_on_where_it_was(
        self, run: Run, deployed: FakeBackend, session: FakeSession, begun: Rotation
    ) -> None:
        shown = run("secrets", "status").output
        assert "a rotation of jwtSecret is not finished" in shown
        done = run("secrets", "rotate", "jwt")
        assert done.exit_code == 0, done.output
        assert deployed.calls == ["up"]
        assert "[3/3] without the old key" in done.stderr
        assert "refuses one that the old key has signed" in done.stdout
        assert not [key for key in (begun.old, begun.new) if key in done.output]
        assert rotation.unfinished(deployed) == []
        assert rotation.made(deployed)["jwtSecret"] == session.day

    def test_as_json(self, run_json: RunJson, begun: Rotation) -> None:
        assert run_json("secrets", "status")["rotationsUnderWay"] == ["jwt"]
        found = run_json("secrets", "rotate", "jwt")
        assert (found["secret"], found["resumed"], found["oldKeyRefused"]) == (
            "jwtSecret",
            True,
            True,
        )

    @pytest.mark.parametrize(
        ("key", "more", "reason"),
        [("old", (), "does not sign with the new key"), ("new", ("old",), "accepts a token")],
    )
    def test_what_is_not_proved_stays_under_way(
        self,
        run: Run,
        deployed: FakeBackend,
        session: FakeSession,
        begun: Rotation,
        key: str,
        more: tuple[str, ...],
        reason: str,
    ) -> None:
        keys = {"old": begun.old, "new": begun.new}
        accepted = tuple(keys[name] for name in (key, *more))
        session.fake_airflow = Signing(key=keys[key], accepted=accepted)
        done = run("secrets", "rotate", "jwt")
        assert done.exit_code == 1
        assert reason in done.stderr
        assert rotation.unfinished(deployed) == ["jwt"]

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("AIRFLOW__API_AUTH__JWT_ALGORITHM", "HS256"),
            ("AIRFLOW__API_AUTH__JWT_PRIVATE_KEY_PATH", "/a"),
        ],
    )
    def test_tokens_that_are_signed_otherwise_are_refused(
        self, run: Run, deployed: FakeBackend, session: FakeSession, variable: str, value: str
    ) -> None:
        session.fake_kubernetes = Configured({variable: value})
        before = dict(deployed.values)
        done = run("secrets", "rotate", "jwt")
        assert done.exit_code == 2
        assert "api_auth.jwt_" in done.stderr
        assert (deployed.values, deployed.calls) == (before, [])


class Configured(Cluster):
    """A cluster whose Airflow has settings of the user."""

    def __init__(self, settings: dict[str, str]) -> None:
        super().__init__("")
        self.settings = settings

    def find(self, kind: str, name: str, *, namespace: str = "") -> Object | None:
        return {"data": self.settings} if kind == "configmap" else super().find(kind, name)


@dataclass
class Account(Signing):
    """An Airflow that knows one password."""

    given: str = ""
    right: str = ""

    def dags(self) -> list[dict[str, Any]]:
        if self.given != self.right:
            raise KitError("wrong password")
        return []


class LoginSession(FakeSession):
    """Its Airflow has the password that is configured, or one that does not change."""

    stuck = ""

    def airflow(self, url: str, username: str, password: str, patience: float) -> Any:
        configured = str(self.fake_backend.values["aerodrome:adminPassword"].value)
        return Account(given=password, right=self.stuck or configured)


class TestSimple:
    """Secrets that one deployment replaces."""

    @pytest.fixture
    def session(self, folders: Path) -> LoginSession:
        return LoginSession(folders)

    @pytest.mark.parametrize(("name", "key"), [("admin", "adminPassword"), ("api", "apiSecretKey")])
    def test_it_is_made_up_deployed_and_not_shown(
        self, run: Run, deployed: FakeBackend, session: LoginSession, name: str, key: str
    ) -> None:
        old, session.day = deployed.values[f"aerodrome:{key}"].value, date(2027, 3, 9)
        done = run("secrets", "rotate", name)
        assert done.exit_code == 0, done.output
        new = deployed.values[f"aerodrome:{key}"].value
        assert new != old
        assert new not in done.output
        assert deployed.calls == ["up"]
        assert rotation.made(deployed)[key] == session.day

    def test_a_password_that_did_not_change_is_no_success(
        self, run: Run, deployed: FakeBackend, session: LoginSession
    ) -> None:
        session.stuck = str(deployed.values["aerodrome:adminPassword"].value)
        done = run("secrets", "rotate", "admin")
        assert done.exit_code == 1
        assert "wrong password" in done.stderr


class Everything(LoginSession):
    """Its Airflow has what is configured: the password, and the key of tokens."""

    def airflow(self, url: str, username: str, password: str, patience: float) -> Any:
        values = self.fake_backend.values
        key = str(values["aerodrome:jwtSecret"].value)
        right = str(values["aerodrome:adminPassword"].value)
        return Account(key=key, accepted=(key,), given=password, right=self.stuck or right)


class Whole(Installed):
    """It has an encrypted database, which lets in what is configured."""

    def logs(self, selector: str, *, lines: int) -> list[str]:
        serving = Serving(self.backend)
        serving.made = [one for one in self.made if "LOGINS" in one.get("stringData", {})]
        if "logins" in selector:
            return serving.logs(selector, lines=lines)
        return super().logs(selector, lines=lines)


class TestAll:
    """One after the other. The first three are at their last step, which is theirs to continue."""

    @pytest.fixture
    def session(self, folders: Path) -> Everything:
        return Everything(folders)

    @pytest.fixture
    def begun(self, deployed: FakeBackend, session: Everything) -> FakeBackend:
        session.day = datetime.now(UTC).date()
        session.fake_kubernetes = Whole(deployed)
        for which in (rotation.FERNET, rotation.TOKENS):
            key = f"aerodrome:{rotation.RENEWED[which]}"
            old, new = str(deployed.values[key].value), SECRETS[rotation.RENEWED[which]]()
            rotation.remember(deployed, which, Rotation.begin(old, new))
            deployed.set_config(key, new, secret=True)
        key = "aerodrome:databasePassword"
        old = database_logins.Logins.alone(str(deployed.values[key].value))
        made = SECRETS["databasePassword"]()
        new = old.with_idle(made).only(made)
        rotation.remember(deployed, rotation.DATABASE, Rotation.begin(old.text(), new.text()))
        deployed.set_config(key, made, secret=True)
        deployed.set_config("aerodrome:databaseLogins", new.text(), secret=True)
        return deployed

    def secrets(self, backend: FakeBackend) -> dict[str, str]:
        keys = [key for which, key in rotation.RENEWED.items() if which != rotation.RANCHER]
        return {key: str(backend.values[f"aerodrome:{key}"].value) for key in keys}

    def test_each_is_replaced_and_proved(self, run: Run, begun: FakeBackend) -> None:
        before = self.secrets(begun)
        done = run("secrets", "rotate", "all")
        assert done.exit_code == 0, done.output
        assert begun.calls == ["up"] * 5
        for number, key in enumerate(rotation.RENEWED.values(), start=1):
            reasons = {
                "celeryPassword": "It has no queue",
                "metricsDatabasePassword": "Nobody",
                "rancherKeys": "It has no Rancher",
            }
            reason = reasons.get(key)
            said = f"{key} stays as it is: {reason}" if reason else f"{key} ({number} of 8)"
            assert said in done.stderr
        assert "refuses one that the old key has signed" in done.stdout
        after = self.secrets(begun)
        assert [key for key in before if before[key] != after[key]] == [
            "apiSecretKey",
            "adminPassword",
        ]
        assert not [text for text in (*before.values(), *after.values()) if text in done.output]
        assert rotation.unfinished(begun) == []

    def test_interrupted_it_leaves_alone_what_was_replaced(
        self, run: Run, run_json: RunJson, begun: FakeBackend, session: Everything
    ) -> None:
        session.stuck = "a-password-that-does-not-change"
        assert run("secrets", "rotate", "all").exit_code == 1
        assert rotation.unfinished(begun) == ["all"]
        assert "a rotation of all secrets is not finished" in run("secrets", "status").output
        session.stuck, before = "", self.secrets(begun)
        begun.calls.clear()
        found = run_json("secrets", "rotate", "all")
        assert [one["secret"] for one in found["rotated"]] == ["adminPassword"]
        assert (found["resumed"], found["before"]) == (
            True,
            ["fernet", "jwt", "database", "api"],
        )
        assert begun.calls == ["up"]
        after = self.secrets(begun)
        assert [key for key in before if before[key] != after[key]] == ["adminPassword"]

    def test_what_an_older_configuration_has_replaced_is_replaced_again(
        self, deployed: FakeBackend
    ) -> None:
        began = f"{date(2027, 3, 9)}T10:00:00Z"
        rotation.remember_all(deployed, rotation.RotationOfAll(began, ("fernet", "api")))
        rotation.note_made(deployed, ["fernetKey"], date(2027, 3, 10))
        rotation.note_made(deployed, ["apiSecretKey"], date(2027, 3, 8))
        found = rotation.all_under_way(deployed)
        assert found == rotation.RotationOfAll(began, ("fernet",))


class TestRefused:
    """Wrong moments."""

    def test_while_an_up_is_at_work(self, run: Run, deployed: FakeBackend) -> None:
        with lease.held(Environment("sandbox"), "up", lambda _: None):
            done = run("secrets", "rotate", "fernet")
        assert done.exit_code == 2
        assert '`up` is running on environment "sandbox"' in done.stderr
        assert deployed.calls == []

    def test_an_up_while_it_is_at_work(self, run: Run, deployed: FakeBackend) -> None:
        with lease.held(Environment("sandbox"), "secrets rotate", lambda _: None):
            done = run("up", "--no-proof")
        assert done.exit_code == 2
        assert '`secrets rotate` is running on environment "sandbox"' in done.stderr

    def test_after_half_a_down(self, run: Run, deployed: FakeBackend) -> None:
        with (
            pytest.raises(KeyError),
            lease.held(Environment("sandbox"), "down", lambda _: None) as holding,
        ):
            holding.begun = True
            raise KeyError
        done = run("secrets", "rotate", "fernet")
        assert done.exit_code == 2
        assert "partly destroyed" in done.stderr

    def test_of_what_is_not_deployed(self, run: Run, session: FakeSession) -> None:
        assert run("up", "--no-proof").exit_code == 0
        session.fake_backend.there = 0
        done = run("secrets", "rotate", "fernet")
        assert done.exit_code == 2
        assert "is not deployed" in done.stderr

    def test_on_aws_without_an_answer(self, run: Run, session: FakeSession) -> None:
        session.fake_backends["dev"] = FakeBackend(there=5)
        done = run("secrets", "rotate", "fernet", "--env", "dev")
        assert done.exit_code == 2
        assert "./aerodrome secrets rotate fernet --yes" in done.stderr

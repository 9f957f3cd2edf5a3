"""`secrets rotate` and `secrets status`, as they are typed."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from cli.base import lease
from cli.base.environments import Environment
from cli.base.values import Secret
from cli.stack import rotation
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeBackend, FakeSession

RunJson = Callable[..., Any]


@pytest.fixture
def deployed(run: Run, session: FakeSession) -> FakeBackend:
    assert run("up", "--no-proof").exit_code == 0
    session.fake_backend.calls.clear()
    return session.fake_backend


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
        rotation.remember(deployed, rotation.Rotation.begin("old", "new"))
        shown = run("secrets", "status").output
        assert "not finished" in shown
        assert "./aerodrome secrets rotate fernet" in shown


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

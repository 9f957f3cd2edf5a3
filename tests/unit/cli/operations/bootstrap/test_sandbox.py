"""`aerodrome bootstrap ENV --sandbox`: configuration and secrets of an environment on this machine."""

from collections.abc import Callable
from typing import Any

from cli.base import passphrase
from infra.contract.settings import SECRETS
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeSession

KEYS = {f"aerodrome:{name}" for name in SECRETS}


def test_secrets_and_settings_are_made_once(
    run_json: Callable[..., Any], session: FakeSession
) -> None:
    made = run_json("bootstrap", "sandbox", "--sandbox", "--set", "nodeMax=6")["made"]
    assert set(made) > KEYS | {"aerodrome:nodeMax"}
    assert session.fake_backend.values["aerodrome:nodeMax"] == "6"
    assert passphrase.shared_file().exists()
    before = dict(session.fake_backend.values)
    run_json("bootstrap", "sandbox", "--sandbox")
    assert session.fake_backend.values == before


def test_a_person_is_told_what_is_next(run: Run) -> None:
    result = run("bootstrap", "sandbox", "--sandbox")
    assert result.exit_code == 0, result.output
    assert "./aerodrome up --env sandbox" in result.stdout


def test_removing_is_refused_while_it_is_deployed(run: Run, session: FakeSession) -> None:
    session.fake_backend.there = 3
    result = run("bootstrap", "sandbox", "--sandbox", "--remove")
    assert result.exit_code == 2
    assert "./aerodrome down --env sandbox" in result.stderr


def test_removing_takes_the_passphrase_with_the_last_environment(
    run: Run, run_json: Callable[..., Any]
) -> None:
    run("bootstrap", "sandbox", "--sandbox")
    removed = run_json("bootstrap", "sandbox", "--sandbox", "--remove")["removed"]
    assert "passphrase" in removed
    assert not passphrase.shared_file().exists()
    assert run_json("bootstrap", "sandbox", "--sandbox", "--remove")["removed"] == []

"""`aerodrome config`, against a backend in memory."""

import json

import pytest

from cli.base.values import Secret
from cli.stack import rotation
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeSession


def test_set_checks_and_stores(run: Run, session: FakeSession) -> None:
    result = run("config", "set", "nodeMax", "6")
    assert result.exit_code == 0, result.output
    assert session.fake_backend.values == {"aerodrome:nodeMax": "6"}


def test_a_secret_key_is_always_secret_and_comes_by_standard_input(
    run: Run, session: FakeSession
) -> None:
    result = run("config", "set", "adminPassword", stdin="a long password\n")
    assert result.exit_code == 0, result.output
    assert session.fake_backend.values == {
        "aerodrome:adminPassword": Secret("a long password"),
        rotation.MADE: '{"adminPassword": "2027-03-01"}',
    }
    assert "a long password" not in result.output


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("nodeMaxx", "6", 'Did you mean "nodeMax"'),
        ("nodeMax", "lots", "It must be a whole number."),
        ("nodeMax", "9999", "It must be between"),
        ("executor", "SequentialExecutor", "Airflow 3 has none: take sequential"),
        ("alertEmails", '["ops"]', "It must be a list of e-mail addresses, not 'ops'"),
        ("certificates", '["https://a.example"]', "It must be a list of HOST:PORT such as"),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(
    key: str, value: str, text: str, run: Run, session: FakeSession
) -> None:
    result = run("config", "set", key, value)
    assert result.exit_code == 2
    assert text in result.stderr
    assert session.fake_backend.values == {}


def test_an_address_for_alerts_that_is_none_is_refused_and_not_repeated(
    run: Run, session: FakeSession
) -> None:
    for key in ("alertSlackUrl", "alertWebhookUrl"):
        result = run("config", "set", key, stdin="hooks.example.org/S3CRET\n")
        assert result.exit_code == 2
        assert key in result.stderr
        assert "must be an address: https://" in result.stderr
        assert "S3CRET" not in result.output + result.stderr
    assert session.fake_backend.values == {}


def test_a_sandbox_refuses_a_grafana(run: Run, session: FakeSession) -> None:
    result = run("config", "set", "grafana", "true", "--env", "sandbox")
    assert result.exit_code == 2
    assert 'Environment "sandbox" cannot have grafana true' in result.stderr
    assert "images from its own registry" in result.stderr
    assert "./aerodrome metrics --env sandbox" in result.stderr
    assert session.fake_backend.values == {}
    for value, environment in (("false", "sandbox"), ("true", "prod")):
        result = run("config", "set", "grafana", value, "--env", environment)
        assert result.exit_code == 0, result.output


def test_a_sandbox_refuses_nodes_for_tasks(run: Run, session: FakeSession) -> None:
    result = run("config", "set", "taskNodes", "true", "--env", "sandbox")
    assert result.exit_code == 2
    assert 'Environment "sandbox" cannot have taskNodes true' in result.stderr
    assert "joins no cluster" in result.stderr
    assert session.fake_backend.values == {}
    for value, environment in (("false", "sandbox"), ("true", "prod")):
        result = run("config", "set", "taskNodes", value, "--env", environment)
        assert result.exit_code == 0, result.output


def test_get_masks_a_secret_unless_told(run: Run, session: FakeSession) -> None:
    session.fake_backend.values = {"aerodrome:adminPassword": Secret("hunter22")}
    assert run("config", "get", "adminPassword").stdout == "[secret]\n"
    assert run("config", "get", "adminPassword", "--show").stdout == "hunter22\n"


def test_get_of_what_is_not_set(run: Run) -> None:
    result = run("config", "get", "nodeMax")
    assert result.exit_code == 2
    assert "The program's default holds." in result.stderr
    assert "Did you mean" in run("config", "get", "nodeMx").stderr


def test_list_masks_secrets(run: Run, session: FakeSession) -> None:
    session.fake_backend.values = {
        "aerodrome:adminPassword": Secret("hunter22"),
        "aerodrome:nodeMax": "6",
    }
    result = run("config", "list", "--json")
    assert json.loads(result.stdout) == {
        "aerodrome:adminPassword": "[secret]",
        "aerodrome:nodeMax": "6",
    }
    every = run("config", "list", "--all", "--json")
    keys = {item["key"]: item for item in json.loads(every.stdout)}
    assert keys["aerodrome:nodeMax"]["value"] == "6"
    assert keys["aerodrome:spot"]["default"] is False


def test_rm_brings_the_default_back(run: Run, session: FakeSession) -> None:
    session.fake_backend.values = {"aerodrome:nodeMax": "6"}
    assert run("config", "rm", "nodeMax").exit_code == 0
    assert session.fake_backend.values == {}
    assert run("config", "rm", "nodeMax").exit_code == 2


def test_rm_keeps_a_secret_that_is_in_use(run: Run, session: FakeSession) -> None:
    session.fake_backend.values = {"aerodrome:fernetKey": Secret("k")}
    session.fake_backend.there = 3
    result = run("config", "rm", "fernetKey")
    assert result.exit_code == 2
    assert session.fake_backend.values


def test_a_secret_that_is_not_made_yet(run: Run) -> None:
    result = run("config", "get", "adminPassword", "--show")
    assert result.exit_code == 2
    assert "generated by the first `up`" in result.stderr


def test_a_list_of_nothing_says_so(run: Run) -> None:
    assert "nothing is set" in run("config", "list").stdout
    assert json.loads(run("config", "list", "--json").stdout) == {}

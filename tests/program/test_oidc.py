"""The login by an OpenID provider, in the program: the client's secret in a Secret of its own, the rest in the chart's values."""

import json

import pytest

from tests.charts.rendering import render_exactly
from tests.program.recording import SECRETS, Program, run_program

CLIENT_SECRET = "of-the-client-5c0ffe"
CONFIG = {
    "environment": "test",
    "oidcIssuer": "https://login.example.org/realms/team",
    "oidcClientId": "airflow",
    "oidcGroupsClaim": "roles",
    "accessFile": "tests/program/groups.yaml",
}
WITH_CLIENT = {**SECRETS, "oidcClientSecret": CLIENT_SECRET}
RELEASE = "kubernetes:helm.sh/v3:Release"
SECRET = "kubernetes:core/v1:Secret"


@pytest.fixture(scope="module")
def logging_in() -> Program:
    return run_program(CONFIG, WITH_CLIENT)


def test_by_default_accounts_are_in_airflows_database(program: Program) -> None:
    values = program.one(RELEASE, "-airflow").inputs["values"]
    assert "oidc" not in values
    assert "oidc" not in values["secrets"]
    assert not [one for one in program.resources if one.name.endswith("-airflow-oidc")]


def test_the_clients_secret_is_in_a_secret_of_its_own_and_nowhere_else(logging_in: Program) -> None:
    secret = logging_in.one(SECRET, "-airflow-oidc")
    assert secret.inputs["stringData"] == {"client-secret": CLIENT_SECRET}
    assert "stringData" in secret.secret_inputs
    others = [one.inputs for one in logging_in.resources if one is not secret]
    assert CLIENT_SECRET not in json.dumps(others, default=str)


def test_the_chart_takes_what_it_is_told(logging_in: Program) -> None:
    values = logging_in.one(RELEASE, "-airflow").inputs["values"]
    assert values["oidc"]["issuer"] == CONFIG["oidcIssuer"]
    assert values["oidc"]["groupsClaim"] == "roles"
    rendered = render_exactly(values)
    assert rendered.error == ""
    assert json.loads(rendered.environment()["AERODROME_OIDC_GROUPS"]) == {"team": ["Op"]}


@pytest.mark.parametrize("lacking", ["oidcClientId", "oidcClientSecret"])
def test_half_a_login_is_refused_before_anything_is_registered(lacking: str) -> None:
    config = {key: value for key, value in CONFIG.items() if key != lacking}
    secrets = {key: value for key, value in WITH_CLIENT.items() if key != lacking}
    with pytest.raises(Exception, match=f"aerodrome:{lacking} is not set, and oidcIssuer needs it"):
        run_program(config, secrets)


@pytest.mark.parametrize("file", ["", "tests/program/roles.yaml"])
def test_a_login_that_nobody_could_use_is_refused(file: str) -> None:
    with pytest.raises(Exception, match="no group of the provider has a role"):
        run_program({**CONFIG, "accessFile": file}, WITH_CLIENT)

"""What the values files declare, in the program: its secrets in a Secret, and nowhere else."""

import json

import pytest

from tests.charts.rendering import render_exactly
from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import SECRETS, Program, run_program

FILES = {"valuesFiles": '["tests/program/declared.yaml"]'}
PASSWORD = "crm-7d1ab0"
RELEASE = "kubernetes:helm.sh/v3:Release"
SECRET = "kubernetes:core/v1:Secret"


@pytest.fixture(scope="module")
def declaring() -> Program:
    secrets = {**SECRETS, "airflow:crm-password": PASSWORD, "airflow:other": "unused"}
    return run_program({"environment": "test", **FILES}, secrets)


def test_a_secret_that_is_named_is_in_a_secret_of_its_own(declaring: Program) -> None:
    secret = declaring.one(SECRET, "-airflow-declared")
    assert secret.inputs["stringData"] == {"crm-password": PASSWORD}
    assert "stringData" in secret.secret_inputs
    values = declaring.one(RELEASE).inputs["values"]
    assert values["secrets"]["declared"] == "airflow-declared"
    assert values["connections"]["crm"]["password"] == {"config": "crm-password"}
    others = [one.inputs for one in declaring.resources if one is not secret]
    assert PASSWORD not in json.dumps(others, default=str)


def test_another_value_makes_another_job(declaring: Program) -> None:
    secrets = {**SECRETS, "airflow:crm-password": "another"}
    other = run_program({"environment": "test", **FILES}, secrets)
    before, after = (
        one.one(RELEASE).inputs["values"]["secretsChecksums"] for one in (declaring, other)
    )
    assert {key for key in before if before[key] != after[key]} == {"declared"}


def test_without_the_secret_the_program_ends_before_it_registers_anything() -> None:
    with pytest.raises(Exception, match=r"declared\.yaml:6:16: connections\.crm\.password\.config"):
        run_program({"environment": "test", **FILES}, SECRETS)


def test_a_branch_without_the_secret_is_deployed_without_the_connection(program: Program) -> None:
    branch = run_program({**BRANCH, **FILES}, BRANCH_SECRETS, {BASE: program})
    values = branch.one(RELEASE, "-airflow").inputs["values"]
    assert values["missingSecrets"] == "leaveOut"
    assert branch.one(SECRET, "-airflow-declared").inputs["stringData"] == {}
    assert render_exactly(values).error == ""

"""What `access.yaml` declares, in the program: first passwords in a Secret, the rest in the chart's values."""

import json

import pytest

from tests.charts.rendering import render_exactly
from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import SECRETS, Program, run_program

FILE = {"accessFile": "tests/program/access.yaml"}
PASSWORD = "alices-first-7d1ab0"
WITH_PASSWORD = {**SECRETS, "access:alice": PASSWORD, "access:bob": "nobody's"}
RELEASE = "kubernetes:helm.sh/v3:Release"
SECRET = "kubernetes:core/v1:Secret"


@pytest.fixture(scope="module")
def declaring() -> Program:
    return run_program({"environment": "test", **FILE}, WITH_PASSWORD)


def test_without_a_file_the_chart_gets_nothing(program: Program) -> None:
    values = program.one(RELEASE, "-airflow").inputs["values"]
    assert "access" not in values
    assert "access" not in values["secrets"]


def test_a_first_password_is_in_a_secret_of_its_own_and_nowhere_else(declaring: Program) -> None:
    secret = declaring.one(SECRET, "-airflow-access")
    assert secret.inputs["stringData"] == {"passwords.json": json.dumps({"alice": PASSWORD})}
    assert "stringData" in secret.secret_inputs
    values = declaring.one(RELEASE, "-airflow").inputs["values"]
    assert values["secrets"]["access"] == "airflow-access"
    declared = json.loads(values["access"])
    assert declared["users"]["alice"]["roles"] == ["analyst"]
    assert declared["roles"]["analyst"]["Variables"] == ["can_read"]
    assert render_exactly(values).error == ""
    others = [one.inputs for one in declaring.resources if one is not secret]
    assert PASSWORD not in json.dumps(others, default=str)


def test_another_password_makes_another_job(declaring: Program) -> None:
    other = run_program({"environment": "test", **FILE}, {**WITH_PASSWORD, "access:alice": "x"})
    before, after = (
        one.one(RELEASE, "-airflow").inputs["values"]["secretsChecksums"]
        for one in (declaring, other)
    )
    assert {key for key in before if before[key] != after[key]} == {"access"}


def test_without_a_password_the_program_ends_before_it_registers_anything() -> None:
    with pytest.raises(Exception, match=r"access\.yaml:4:3: users\.alice: has no first password"):
        run_program({"environment": "test", **FILE}, SECRETS)


def test_a_branch_has_passwords_of_its_own(program: Program) -> None:
    secrets = {**BRANCH_SECRETS, "access:alice": "of-the-branch"}
    branch = run_program({**BRANCH, **FILE}, secrets, {BASE: program})
    (content,) = branch.one(SECRET, "-airflow-access").inputs["stringData"].values()
    assert json.loads(content) == {"alice": "of-the-branch"}


def test_owners_reach_the_build_of_the_image_and_change_its_tag(program: Program) -> None:
    owned = run_program({"environment": "test", "accessFile": "tests/program/owners.yaml"}, SECRETS)
    before, after = (
        {one.name: one.inputs for one in ran.of_type("docker-build:index:Image")}
        for ran in (program, owned)
    )
    changed = {name for name in after if after[name] != before.get(name)}
    (name,) = (one for one in changed if one.endswith("-airflow"))
    owners = json.loads(after[name]["buildArgs"]["OWNERS"])
    declared = json.loads(owned.one(RELEASE, "-airflow").inputs["values"]["access"])["owners"]
    # What its tasks may ask for makes no other image.
    assert {**declared["finance"], **owners["finance"]} == declared["finance"]
    assert set(owners["finance"]) == {"access", "folders", "prefixes"}
    assert after[name]["tags"] != before[name]["tags"]
    assert changed == {name}

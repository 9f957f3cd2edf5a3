"""The setting `secretsBackend`: what Airflow's role may read in AWS, and what its chart is told; nothing by default."""

import json
from typing import Any

import pytest

from infra import airflow_role
from infra.contract.secret_settings import Secrets
from infra.contract.secrets_backends import PARAMETER_STORE, SECRETS_MANAGER
from infra.contract.settings import Settings
from infra.stack import Place, Stack
from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import SECRETS, Program, run_program

DEPLOY = "arn:aws:iam::123456789012:role/aerodrome/deploy"
KEY = "arn:aws:kms:eu-north-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000"
READS = {
    SECRETS_MANAGER: ("secretsmanager", "GetSecretValue", "secret:"),
    PARAMETER_STORE: ("ssm", "GetParameter", "parameter/"),
}


def statements(program: Program) -> list[dict[str, Any]]:
    """What the policy for secrets allows Airflow's role."""
    given = program.one("aws:iam/rolePolicy:RolePolicy", "-secrets")
    (role,) = [r for r in program.of_type("aws:iam/role:Role") if r.name.endswith("-airflow")]
    assert given.inputs["role"] == role.name
    found: list[dict[str, Any]] = json.loads(given.inputs["policy"])["Statement"]
    return found


def values(program: Program) -> Any:
    return (
        program.one("kubernetes:helm.sh/v3:Release", "-airflow")
        .inputs["values"]
        .get("secretsBackend")
    )


def without_account(arn: str) -> str:
    return ":".join([*arn.split(":")[:4], "", *arn.split(":")[5:]])


def test_nothing_is_given_by_default(program: Program, shared: Program) -> None:
    for each in (program, shared):
        policies = each.of_type("aws:iam/rolePolicy:RolePolicy")
        assert not [one for one in policies if one.name.endswith("-secrets")]
        assert values(each) is None


@pytest.mark.parametrize("backend", READS)
def test_an_environment_reads_its_folder_by_name_and_does_nothing_else(backend: str) -> None:
    program = run_program({"environment": "test", "secretsBackend": backend}, SECRETS)
    service, action, kind = READS[backend]
    (only,) = statements(program)
    assert only["Action"] == [f"{service}:{action}"]
    (arn,) = only["Resource"]
    assert without_account(arn) == f"arn:aws:{service}:eu-north-1::{kind}aerodrome/test/*"
    assert "Condition" not in only
    told = {"service": backend, "folder": "aerodrome/test", "region": "eu-north-1"}
    assert values(program) == told


@pytest.mark.parametrize("backend", READS)
def test_a_branch_reads_its_own(backend: str, program: Program) -> None:
    branch = run_program({**BRANCH, "secretsBackend": backend}, BRANCH_SECRETS, {BASE: program})
    (only,) = statements(branch)
    (arn,) = only["Resource"]
    assert arn.endswith("aerodrome-branches/test/test-x/*")
    assert values(branch)["folder"] == "aerodrome-branches/test/test-x"


@pytest.mark.parametrize("backend", READS)
def test_a_key_decrypts_through_the_service_alone(backend: str) -> None:
    config = {"environment": "test", "secretsBackend": backend, "secretsBackendKey": KEY}
    _, decrypt = statements(run_program(config, SECRETS))
    assert (decrypt["Action"], decrypt["Resource"]) == (["kms:Decrypt"], [KEY])
    through = f"{READS[backend][0]}.eu-north-1.amazonaws.com"
    assert decrypt["Condition"] == {"StringEquals": {"kms:ViaService": through}}


def test_only_secrets_of_its_account_are_meant() -> None:
    settings = Settings(environment="test", secrets_backend=SECRETS_MANAGER)
    stack = Stack(settings, Secrets(*"abcde"), Place("us-gov-west-1", "aws-us-gov", []))
    role = "arn:aws-us-gov:iam::123456789012:role/aerodrome/test/airflow-0a1b2c3"
    (only,) = airflow_role.secret_statements(stack, "a/folder", role)
    assert only["Resource"] == [
        "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:a/folder/*"
    ]


def test_pods_start_after_their_rights_are_there() -> None:
    program = run_program({"environment": "test", "secretsBackend": SECRETS_MANAGER}, SECRETS)
    association = program.one("aws:eks/podIdentityAssociation:PodIdentityAssociation", "-airflow")
    assert program.depends_on(association, program.one("aws:iam/rolePolicy:RolePolicy", "-secrets"))


def test_a_pipelines_branches_may_read_those_of_branches_with_their_bases_backend() -> None:
    config = {"environment": "test", "deployRole": DEPLOY, "secretsBackend": SECRETS_MANAGER}
    boundary = run_program(config, SECRETS).one("aws:iam/policy:Policy", "-branches")
    last = json.loads(boundary.inputs["policy"])["Statement"][-1]
    assert last["Action"] == ["secretsmanager:GetSecretValue"]
    (arn,) = last["Resource"]
    # Not of its base, and not of the branches of a base whose name begins alike.
    assert arn.endswith(":secret:aerodrome-branches/test/*")

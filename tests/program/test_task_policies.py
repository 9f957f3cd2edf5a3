"""What tasks may do in AWS: nothing but logs, unless the setting says more; a branch within its base's bounds."""

import json
from typing import Any

from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import SECRETS, Program, run_program

READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/*"}
MANAGED = "arn:aws:iam::aws:policy/AmazonAthenaFullAccess"
WANTED = {"taskPolicies": json.dumps([READ, MANAGED])}
DEPLOY = "arn:aws:iam::123456789012:role/aerodrome/deploy"


def of_airflow(program: Program, type_: str) -> list[dict[str, Any]]:
    """The inputs of what hangs on Airflow's role, leaving the permission to write logs out."""
    return [
        resource.inputs
        for resource in program.resources
        if resource.type == type_ and "-tasks" in resource.name
    ]


def check(program: Program) -> None:
    (own,) = of_airflow(program, "aws:iam/rolePolicy:RolePolicy")
    assert json.loads(own["policy"])["Statement"] == [READ]
    (attached,) = of_airflow(program, "aws:iam/rolePolicyAttachment:RolePolicyAttachment")
    assert attached["policyArn"] == MANAGED
    (role,) = [r for r in program.of_type("aws:iam/role:Role") if r.name.endswith("-airflow")]
    assert own["role"] == attached["role"] == role.name


def test_nothing_is_given_by_default(program: Program, shared: Program) -> None:
    for each in (program, shared):
        assert not of_airflow(each, "aws:iam/rolePolicy:RolePolicy")
        assert not of_airflow(each, "aws:iam/rolePolicyAttachment:RolePolicyAttachment")


def test_statements_and_policies_hang_on_airflows_role() -> None:
    check(run_program({"environment": "test", **WANTED}, SECRETS))


def test_a_branch_has_its_own(program: Program) -> None:
    check(run_program({**BRANCH, **WANTED}, BRANCH_SECRETS, {BASE: program}))


def test_pods_start_after_their_rights_are_there() -> None:
    program = run_program({"environment": "test", **WANTED}, SECRETS)
    association = program.one("aws:eks/podIdentityAssociation:PodIdentityAssociation", "-airflow")
    for type_ in (
        "aws:iam/rolePolicy:RolePolicy",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    ):
        (given,) = [r for r in program.of_type(type_) if "-tasks" in r.name]
        assert program.depends_on(association, given)


def test_branches_may_get_what_their_bases_tasks_have_by_statement() -> None:
    config = {"environment": "test", "deployRole": DEPLOY}
    for wanted, more in (({}, []), (WANTED, [READ])):
        boundary = run_program({**config, **wanted}, SECRETS).one(
            "aws:iam/policy:Policy", "-branches"
        )
        statements = json.loads(boundary.inputs["policy"])["Statement"]
        own, rest = statements[:5], statements[5:]
        assert [one["Sid"] for one in own] == ["Logs", "XComs", "Dags", "FindBucket", "ListFolders"]
        assert rest == more

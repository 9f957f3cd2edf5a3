"""What a base has for the pipeline that deploys its branches: the way into the cluster, and the limit of
every role that the pipeline makes."""

import json
from fnmatch import fnmatchcase

import pytest

from infra.contract.naming import Names
from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import SECRETS, Program, Registration, run_program

DEPLOY = "arn:aws:iam::123456789012:role/aerodrome-pipeline/aerodrome-test-deploy"
PREVIEW = "arn:aws:iam::123456789012:role/aerodrome-pipeline/aerodrome-test-preview"
ENTRY = "aws:eks/accessEntry:AccessEntry"
POLICY = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
ROLE = "aws:iam/role:Role"


@pytest.fixture(scope="module")
def base() -> Program:
    config = {"environment": "test", "deployRole": DEPLOY, "previewRole": PREVIEW}
    return run_program(config, SECRETS)


@pytest.fixture(scope="module")
def branch(base: Program) -> Program:
    return run_program(BRANCH, BRANCH_SECRETS, {BASE: base})


def names(program: Program) -> set[tuple[str, str]]:
    return {(resource.type, resource.name) for resource in program.resources}


def test_both_roles_are_let_into_the_cluster(base: Program) -> None:
    entries = {one.inputs["principalArn"] for one in base.of_type(ENTRY)}
    assert {DEPLOY, PREVIEW} <= entries
    policies = {
        one.inputs["principalArn"]: one.inputs["policyArn"].rpartition("/")[2]
        for one in base.of_type(POLICY)
    }
    assert policies[DEPLOY] == "AmazonEKSClusterAdminPolicy"
    assert policies[PREVIEW] == "AmazonEKSAdminViewPolicy"


def test_nothing_else_differs_from_a_base_without_a_pipeline(
    base: Program, program: Program
) -> None:
    added = names(base) - names(program)
    assert names(program) <= names(base)
    assert added == {
        (ENTRY, "aerodrome-test-deploy"),
        (ENTRY, "aerodrome-test-preview"),
        (POLICY, "aerodrome-test-deploy"),
        (POLICY, "aerodrome-test-preview"),
        ("aws:iam/policy:Policy", "aerodrome-test-branches"),
    }
    assert base.outputs.keys() - program.outputs.keys() == {"branchBoundary"}


def boundary(base: Program) -> Registration:
    return base.one("aws:iam/policy:Policy", "-branches")


def test_the_boundary_has_the_name_that_the_pipelines_policy_demands(base: Program) -> None:
    named = Names("test")
    inputs = boundary(base).inputs
    assert (inputs["path"], inputs["name"]) == (named.iam_path, named.branch_boundary)


def test_a_branchs_role_stays_within_it(base: Program, branch: Program) -> None:
    role = branch.one(ROLE)
    assert role.inputs["permissionsBoundary"] == base.outputs["branchBoundary"]
    limit = json.loads(boundary(base).inputs["policy"])["Statement"]
    own = json.loads(branch.one("aws:iam/rolePolicy:RolePolicy").inputs["policy"])["Statement"]
    assert [each["Action"] for each in limit] == [each["Action"] for each in own]
    folder = "arn:aws:s3:::aerodrome-test-logs/branches/"
    assert limit[0]["Resource"] == [f"{folder}*"]
    assert limit[1]["Resource"] == [f"{folder}*/xcom/*"]
    assert limit[2]["Resource"] == ["arn:aws:s3:::aerodrome-test-logs/branch-dag-versions/*"]
    for within, each in zip(limit[:3], own[:3], strict=True):
        assert fnmatchcase(each["Resource"][0], within["Resource"][0])


def test_without_a_pipeline_no_role_has_one(shared: Program) -> None:
    assert "permissionsBoundary" not in shared.one(ROLE).inputs

"""Owners of DAGs whose tasks have roles of their own in AWS: what is registered, and where it is refused."""

import json

import pytest

from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import SECRETS, Program, run_program

FILE = {"accessFile": "tests/program/apart.yaml"}
APART = {**FILE, "valuesFiles": '["tests/program/apart-values.yaml"]'}
ASSOCIATION = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
ROLE = "aws:iam/role:Role"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
DEPLOY = "arn:aws:iam::123456789012:role/aerodrome/deploy"
MANAGED = "arn:aws:iam::aws:policy/AmazonAthenaFullAccess"


@pytest.fixture(scope="module")
def apart() -> Program:
    config = {"environment": "test", "deployRole": DEPLOY, **APART}
    return run_program({**config, "taskPolicies": json.dumps([MANAGED])}, SECRETS)


def associated(program: Program) -> dict[str, str]:
    """The role by service account, of those of tasks."""
    return {
        one.inputs["serviceAccount"]: one.inputs["roleArn"].rpartition(":")[2].rpartition("/")[2]
        for one in program.of_type(ASSOCIATION)
        if "tasks" in one.inputs["serviceAccount"]
    }


def test_without_such_owners_tasks_are_who_airflow_is(program: Program) -> None:
    assert associated(program) == {}
    assert not [one for one in program.of_type(ROLE) if "-tasks" in one.name]


def test_each_account_has_its_role_before_the_pods(apart: Program) -> None:
    assert associated(apart) == {
        "airflow-tasks": "aerodrome-test-tasks",
        "airflow-tasks-finance": "aerodrome-test-tasks-finance",
        "airflow-tasks-audit": "aerodrome-test-tasks-audit",
    }
    release = apart.one("kubernetes:helm.sh/v3:Release", "-airflow")
    for one in apart.of_type(ASSOCIATION):
        if "tasks" in one.inputs["serviceAccount"]:
            assert apart.depends_on(release, one)


def test_what_all_tasks_may_each_of_them_may(apart: Program) -> None:
    given = {
        one.inputs["role"]
        for one in apart.of_type(ATTACHMENT)
        if one.inputs["policyArn"] == MANAGED
    }
    assert given == {"aerodrome-test-airflow", *associated(apart).values()}


def test_a_branchs_stay_within_its_bases_bounds(apart: Program) -> None:
    branch = run_program({**BRANCH, **APART}, BRANCH_SECRETS, {BASE: apart})
    roles = {one.name: one.inputs for one in branch.of_type(ROLE)}
    assert {*associated(branch).values()} == {name for name in roles if "-tasks" in name}
    bound = roles["aerodrome-test-x-airflow"]["permissionsBoundary"]
    assert bound
    assert {one["permissionsBoundary"] for one in roles.values()} == {bound}
    (policy,) = (
        one for one in apart.of_type("aws:iam/policy:Policy") if one.name.endswith("-branches")
    )
    assert "Lake" in [one.get("Sid") for one in json.loads(policy.inputs["policy"])["Statement"]]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (FILE, r"tests/program/apart\.yaml gives owners taskPolicies, and with workers\.startPods"),
        ({**APART, "executor": "CeleryExecutor"}, "tasks of several owners share a pod"),
        ({**APART, "executor": "KubernetesExecutor,LocalExecutor"}, "tasks of several owners share a pod"),
        (
            {**FILE, "valuesFiles": '["tests/program/apart-values.yaml", "tests/program/apart-template.yaml"]'},
            r"take config\.logging\.log_filename_template out of the values files",
        ),
    ],
)  # fmt: skip
def test_it_is_refused_where_it_would_not_hold(config: dict[str, str], told: str) -> None:
    with pytest.raises(Exception, match=told):
        run_program({"environment": "test", **config}, SECRETS)


def test_more_policies_than_a_role_takes_are_refused() -> None:
    many = json.dumps([f"arn:aws:iam::123456789012:policy/p{number}" for number in range(10)])
    run_program({"environment": "test", **APART, "taskPolicies": many}, SECRETS)
    file = {**APART, "accessFile": "tests/program/apart-more.yaml"}
    with pytest.raises(
        Exception,
        match=r"owners\.finance\.taskPolicies and the setting taskPolicies name 11 policies",
    ):
        run_program({"environment": "test", **file, "taskPolicies": many}, SECRETS)

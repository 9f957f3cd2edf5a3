"""The pipeline's roles: all that `up`, `down` and `sweep` of a shared branch ask of AWS goes with exactly
their policies, and each action of those is needed."""

import copy
import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.base.errors import KitError
from cli.cloud.catalogue import find
from cli.cloud.resource import Search
from cli.operations.bootstrap.aws import Aws, Caller
from cli.operations.bootstrap.pipeline_roles import policy
from infra.contract.naming import Names
from sandbox import errors as sandbox_errors
from sandbox.instance import TOKEN_REVIEW_PATH
from tests.pipeline.branch_work import again, deploy, preview
from tests.pipeline.cloud import ACCOUNT, BASE, BRANCH, LOGS, REFUSED, Account
from tests.program.recording import SECRETS, Program, run_program
from tests.unit.sandbox.aws.conftest import REGION
from tests.unit.sandbox.aws.test_token_review import eks_token

ENTRIES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("aws:eks/accessEntry:AccessEntry", "create_access_entry", ()),
    (
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        "associate_access_policy",
        ("policyArn", "accessScope"),
    ),
)
"""What lets somebody into a cluster, and EKS' call that makes it."""

NEVER_REFUSED = {
    # AWS answers it to everybody who has a key.
    ("WhatTheProgramAsks", "sts:GetCallerIdentity"),
    ("LookForWhatIsLeft", "sts:GetCallerIdentity"),
    # AWS asks for it beside CreatePodIdentityAssociation, of what has no tags yet; the emulator does not.
    ("TagNewAssociations", "eks:TagResource"),
}


@pytest.fixture(scope="module")
def branch(base_program: Program, account: Account) -> Program:
    """The branch's program, on what is in the emulator."""
    told = {
        **base_program.outputs,
        "clusterName": Names(BASE).cluster,
        "logBucket": LOGS,
        "logBucketArn": f"arn:aws:s3:::{LOGS}",
        "branchBoundary": account.boundary,
    }
    config = {"environment": BRANCH, "tenancy": "shared", "base": BASE, "branch": "feature/x"}
    stacks = {f"organization/aerodrome/{BASE}": Program([], told, base_program.secret_outputs)}
    return run_program(config, SECRETS, stacks)


@pytest.fixture(autouse=True)
def as_bootstrap_made_it(account: Account) -> Iterator[None]:
    yield
    for purpose, role in account.pipeline.roles.items():
        account.allow(purpose, role.policy)


def actions(policy: dict[str, Any]) -> list[tuple[str, str]]:
    """Every action with the statement that it is in."""
    return [(one["Sid"], action) for one in policy["Statement"] for action in one["Action"]]


def without(policy: dict[str, Any], sid: str, action: str) -> dict[str, Any]:
    left = copy.deepcopy(policy)
    for one in left["Statement"]:
        if one["Sid"] == sid:
            one["Action"].remove(action)
    left["Statement"] = [one for one in left["Statement"] if one["Action"]]
    return left


def goes_without(account: Account, purpose: str, work: Callable[[], None]) -> list[tuple[str, str]]:
    """The actions without which the work goes on unrefused."""
    policy = account.pipeline.roles[purpose].policy
    needless = []
    for sid, action in actions(policy):
        if (sid, action) in NEVER_REFUSED:
            continue
        again(account)
        account.allow(purpose, without(policy, sid, action))
        try:
            work()
        except (ClientError, KitError, sandbox_errors.KitError, AssertionError) as error:
            assert re.search(REFUSED, str(error)), (sid, action, error)
        else:
            needless.append((sid, action))
    return needless


def test_up_down_and_sweep_of_a_branch_go_with_exactly_the_policy(
    account: Account, branch: Program
) -> None:
    again(account)
    deploy(account, account.session("deploy"), branch)


def test_neither_down_nor_sweep_takes_the_pipelines_own_roles_for_an_environments(
    account: Account,
) -> None:
    for environment in (None, BASE):
        found = {one.arn for one in find(Search(account.root, environment, REGION), ["iam"])}
        assert f"arn:aws:iam::{ACCOUNT}:user/aerodrome/{BASE}/aerodrome-{BASE}-operator" in found
        mine = {role.arn for role in account.pipeline.roles.values()}
        assert not found & {*mine, account.pipeline.provider.arn}


def test_the_base_lets_the_role_into_its_cluster_as_an_administrator(
    account: Account, base_program: Program
) -> None:
    eks, cluster = account.root("eks"), Names(BASE).cluster
    for kind, make, more in ENTRIES:
        (one,) = [each for each in base_program.of_type(kind) if each.name.endswith("-deploy")]
        assert one.inputs["principalArn"] == account.pipeline.roles["deploy"].arn
        wanted = {key: one.inputs[key] for key in ("principalArn", *more)}
        getattr(eks, make)(clusterName=cluster, **wanted)
    key = account.session("deploy").key
    token = eks_token(
        cluster,
        key["aws_access_key_id"],
        key["aws_secret_access_key"],
        key["aws_session_token"],
    )
    body = {"kind": "TokenReview", "spec": {"token": token}}
    request = urllib.request.Request(
        account.emulator.url + TOKEN_REVIEW_PATH, json.dumps(body).encode(), method="POST"
    )
    with urllib.request.urlopen(request) as answer:
        status = json.load(answer)["status"]
    assert status["authenticated"], status
    assert "system:masters" in status["user"]["groups"]


@pytest.mark.timeout(900)
def test_every_action_of_the_deploying_role_is_needed(account: Account, branch: Program) -> None:
    session = account.session("deploy")
    assert not goes_without(account, "deploy", lambda: deploy(account, session, branch))


def test_every_action_of_the_previewing_role_is_needed(account: Account) -> None:
    session = account.session("preview")
    again(account)
    preview(account, session)
    assert not goes_without(account, "preview", lambda: preview(account, session))


@pytest.mark.parametrize("environment", [BASE, "a-base-with-28-characters-xx"])
def test_the_policies_fit_into_their_roles(environment: str) -> None:
    """10,240 characters, blanks aside."""
    for purpose in ("preview", "deploy"):
        found = policy(purpose, Aws(REGION), Caller("123456789012", ""), environment)
        text = json.dumps(found)
        assert len(re.sub(r"\s", "", text)) < 10_240
        assert not re.search("PARTITION|ACCOUNT|REGION|ENVIRONMENT|BRANCHES", text)

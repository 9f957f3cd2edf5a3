"""The pipeline's roles: all that `up`, `down` and `sweep` of a shared branch ask of AWS goes with exactly
their policies, and each action of those is needed."""

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
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
from tests.aws_session import Session
from tests.granted import Action, Granted, actions, only
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


@dataclass
class Asking(Session):
    """Its calls are answered with what they lack, as `granted` does it."""

    granted: Granted = field(kw_only=True)

    def client(self, service: str) -> Any:
        if service not in self.made:
            self.granted.watch(super().client(service))
        return self.made[service]


def needless(account: Account, purpose: str, work: Callable[[Session], None]) -> list[Action]:
    """The actions without which the work goes on unrefused."""
    policy = account.pipeline.roles[purpose].policy
    session = account.session(purpose)
    granted = Granted(policy, partial(account.allow, purpose), set(NEVER_REFUSED))
    again(account)
    work(Asking(session.emulator, session.key, granted=granted))
    wanted = [one for one in actions(policy) if one not in NEVER_REFUSED]
    # Some stand in several statements, and one run does not tell of each.
    undecided = [one for one in wanted if one not in granted.needed]
    return [one for one in undecided if not is_refused(account, purpose, one, work)]


def is_refused(
    account: Account, purpose: str, action: Action, work: Callable[[Session], None]
) -> bool:
    policy = account.pipeline.roles[purpose].policy
    again(account)
    account.allow(purpose, only(policy, [one for one in actions(policy) if one != action]))
    try:
        work(account.session(purpose))
    except (ClientError, KitError, sandbox_errors.KitError, AssertionError) as error:
        assert re.search(REFUSED, str(error)), (action, error)
        return True
    return False


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
    assert not needless(account, "deploy", lambda session: deploy(account, session, branch))


def test_every_action_of_the_previewing_role_is_needed(account: Account) -> None:
    assert not needless(account, "preview", lambda session: preview(account, session))


@pytest.mark.parametrize("environment", [BASE, "a-base-with-28-characters-xx"])
def test_the_policies_fit_into_their_roles(environment: str) -> None:
    """10,240 characters, blanks aside."""
    for purpose in ("preview", "deploy"):
        found = policy(purpose, Aws(REGION), Caller("123456789012", ""), environment)
        text = json.dumps(found)
        assert len(re.sub(r"\s", "", text)) < 10_240
        assert not re.search("PARTITION|ACCOUNT|REGION|ENVIRONMENT|BRANCHES", text)

"""The two roles of a pipeline: one that previews branches, one that deploys and destroys them.

Who gets them is in their trust policies, `github` knows it; what they may do is in docs/, as the account's
administrators read it. Both belong to one environment, the base of those branches.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from cli.base.errors import UserError
from cli.base.paths import ROOT
from cli.cloud.errors import gone_is_fine, unless_gone
from cli.operations.bootstrap.aws import Aws, Caller
from cli.operations.bootstrap.github import AUDIENCE, HOST, Repository
from infra.contract.naming import PIPELINE_PATH, TAG_BOOTSTRAP, branches_begin, pipeline_role

POLICY_NAME = "pipeline"
"""Of the one policy that lies in each role."""


class PipelineRole:
    """One of the two, made or not. `purpose` is `preview` or `deploy`."""

    def __init__(self, aws: Aws, caller: Caller, environment: str, purpose: str) -> None:
        self.name = pipeline_role(environment, purpose)
        account = f"arn:{aws.partition}:iam::{caller.account}"
        self.arn = f"{account}:role{PIPELINE_PATH}{self.name}"
        self._provider = f"{account}:oidc-provider/{HOST}"
        # A role is the whole account's, an environment is in one region.
        self._mark = {"Key": TAG_BOOTSTRAP, "Value": f"{environment} in {aws.region}"}
        self._purpose = purpose
        self._iam = aws.client("iam")
        self.policy = policy(purpose, aws, caller, environment)

    def find(self) -> dict[str, Any] | None:
        """The role that has the name, whoever made it."""
        answer = unless_gone(self._iam.get_role, RoleName=self.name)
        return answer["Role"] if answer else None

    def _is_ours(self, found: Mapping[str, Any]) -> bool:
        return self._mark in found.get("Tags", []) and found["Arn"] == self.arn

    def check(self) -> dict[str, Any] | None:
        """The role, if it is there. UserError if somebody else made it."""
        found = self.find()
        if found is not None and not self._is_ours(found):
            raise UserError(
                f"The role {self.name} is not ours",
                f"{found['Arn']} exists and does not carry the tag\n"
                f"{self._mark['Key']} = {self._mark['Value']}. Nothing was changed. If nobody needs it, "
                "delete it;\nelse give the environment another name.",
                f"aws iam get-role --role-name {self.name}",
            )
        return found

    def ensure(self, repository: Repository) -> list[str]:
        """The role as it must be. What was made or changed; nothing if all was there."""
        trust, found, done = self._trust(repository), self.check(), []
        if found is None:
            self._iam.create_role(
                RoleName=self.name,
                Path=PIPELINE_PATH,
                Description=f"A pipeline's, to {self._purpose} branches",
                AssumeRolePolicyDocument=json.dumps(trust),
                Tags=[self._mark],
            )
            done.append(f"role to {self._purpose}")
        elif found["AssumeRolePolicyDocument"] != trust:
            self._iam.update_assume_role_policy(
                RoleName=self.name, PolicyDocument=json.dumps(trust)
            )
            done.append(f"whom the role to {self._purpose} trusts")
        if self._current_policy() != self.policy:
            self._iam.put_role_policy(
                RoleName=self.name,
                PolicyName=POLICY_NAME,
                PolicyDocument=json.dumps(self.policy),
            )
            done.append(f"what the role to {self._purpose} may do")
        return done

    def remove(self) -> bool:
        """Whether there was one of ours."""
        found = self.find()
        if found is None or not self._is_ours(found):
            return False
        # A run may have been cut short between the two.
        with gone_is_fine():
            self._iam.delete_role_policy(RoleName=self.name, PolicyName=POLICY_NAME)
        self._iam.delete_role(RoleName=self.name)
        return True

    def _current_policy(self) -> Any:
        answer = unless_gone(self._iam.get_role_policy, RoleName=self.name, PolicyName=POLICY_NAME)
        return answer["PolicyDocument"] if answer else None

    def _trust(self, repository: Repository) -> dict[str, Any]:
        """Equal to, never like: a pattern would let other repositories and branches in."""
        subjects = repository.subjects(self._purpose)
        return {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "WorkflowsOfOneRepository",
                    "Effect": "Allow",
                    "Principal": {"Federated": self._provider},
                    "Action": "sts:AssumeRoleWithWebIdentity",
                    "Condition": {
                        "StringEquals": {
                            f"{HOST}:aud": AUDIENCE,
                            f"{HOST}:sub": subjects if len(subjects) > 1 else subjects[0],
                        }
                    },
                }
            ],
        }


def policy(purpose: str, aws: Aws, caller: Caller, environment: str) -> dict[str, Any]:
    """docs/pipeline-PURPOSE-policy.json for one environment."""
    words: Mapping[str, str] = {
        "PARTITION": aws.partition,
        "ACCOUNT": caller.account,
        "REGION": aws.region,
        "ENVIRONMENT": environment,
        "BRANCHES": branches_begin(environment),
    }
    text = (ROOT / "docs" / f"pipeline-{purpose}-policy.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(
        re.sub(rf"\b({'|'.join(words)})\b", lambda word: words[word[1]], text)
    )
    return found

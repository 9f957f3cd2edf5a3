"""IAM's identity provider for the tokens of GitHub's workflows.

An account has one for a URL at most. So one that somebody else made is used as it is, and one that we made
stays while anybody else's role trusts it.
"""

import json
from typing import Any

from cli.base.errors import UserError
from cli.cloud.errors import unless_gone
from cli.operations.bootstrap.aws import Aws, Caller
from cli.operations.bootstrap.github import AUDIENCE, HOST
from infra.contract.naming import TAG_BOOTSTRAP

MARK = {"Key": TAG_BOOTSTRAP, "Value": "github"}


class IdentityProvider:
    """GitHub's, made or not."""

    def __init__(self, aws: Aws, caller: Caller) -> None:
        self.arn = f"arn:{aws.partition}:iam::{caller.account}:oidc-provider/{HOST}"
        self._iam = aws.client("iam")

    def find(self) -> dict[str, Any] | None:
        return unless_gone(
            self._iam.get_open_id_connect_provider, OpenIDConnectProviderArn=self.arn
        )

    def check(self) -> None:
        """UserError if there is one that does not take the tokens."""
        found = self.find()
        if found is not None and AUDIENCE not in found["ClientIDList"]:
            audiences = ", ".join(found["ClientIDList"]) or "nobody"
            raise UserError(
                "The account's identity provider for GitHub is for another audience",
                f"{self.arn}\ntakes tokens for {audiences}, and the workflows' are for {AUDIENCE}.\n"
                "An account has one provider for a URL; whoever administers it can add the audience:",
                "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn "
                f"{self.arn} --client-id {AUDIENCE}",
            )

    def ensure(self) -> list[str]:
        """What was made; nothing if there was one."""
        if self.find() is not None:
            return []
        self._iam.create_open_id_connect_provider(
            Url=f"https://{HOST}", ClientIDList=[AUDIENCE], Tags=[MARK]
        )
        return ["identity provider"]

    def remove(self) -> str:
        """Deletes the provider if bootstrap made it. Returns why it is kept; empty if it is deleted."""
        found = self.find()
        if found is None:
            return ""
        if MARK not in found.get("Tags", []):
            return "somebody else made it"
        users = [
            role["RoleName"]
            for page in self._iam.get_paginator("list_roles").paginate()
            for role in page["Roles"]
            if self.arn in json.dumps(role["AssumeRolePolicyDocument"])
        ]
        if users:
            return f"{', '.join(sorted(users))} trust(s) it"
        self._iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=self.arn)
        return ""

"""A pipeline's way into the account: the identity provider and the two roles, together.

`prepare` and `removal` call it; `aerodrome bootstrap ENV --github OWNER/REPO` asks for it.
"""

from botocore.exceptions import ClientError

from cli.base.settings import qualified
from cli.cloud.errors import code_of
from cli.operations.bootstrap.aws import Aws, Caller
from cli.operations.bootstrap.github import SUBJECTS, Repository
from cli.operations.bootstrap.identity_provider import IdentityProvider
from cli.operations.bootstrap.pipeline_roles import PipelineRole

_DENIED = ("AccessDenied", "AccessDeniedException")


class PipelineAccess:
    """That of the pipeline which deploys branches on one environment, made or not."""

    def __init__(self, aws: Aws, caller: Caller, environment: str) -> None:
        self.provider = IdentityProvider(aws, caller)
        self.roles = {
            purpose: PipelineRole(aws, caller, environment, purpose) for purpose in SUBJECTS
        }

    @property
    def settings(self) -> dict[str, str]:
        """What the base's configuration says, so that its program lets the roles into the cluster."""
        return {qualified(f"{purpose}Role"): role.arn for purpose, role in self.roles.items()}

    def check(self) -> None:
        """UserError if something that is there will not do. Changes nothing."""
        self.provider.check()
        for role in self.roles.values():
            role.check()

    def ensure(self, repository: Repository) -> list[str]:
        """All of it as it must be. What was made or changed; nothing if all was there."""
        done = self.provider.ensure()
        for role in self.roles.values():
            done += role.ensure(repository)
        return done

    def remove(self, *, expected: bool) -> tuple[list[str], str]:
        """The roles that went, and why the provider stays; empty if it does not.

        Who prepares no pipelines needs no rights in IAM: where none is `expected`, being refused a look
        means that there is none.
        """
        try:
            self.roles["deploy"].find()
        except ClientError as error:
            if expected or code_of(error) not in _DENIED:
                raise
            return [], ""
        gone = [role.name for role in self.roles.values() if role.remove()]
        kept = self.provider.remove()
        return gone, kept if gone else ""

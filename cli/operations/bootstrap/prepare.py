"""`aerodrome bootstrap ENV --region R`: first everything is looked at, then what is missing is made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.settings import REGION_KEY
from cli.operations.bootstrap import quotas, region, requested_settings, stack
from cli.operations.bootstrap import tools as programs
from cli.operations.bootstrap.aws import Aws, Caller
from cli.operations.bootstrap.github import Repository
from cli.operations.bootstrap.pipeline_access import PipelineAccess
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.bootstrap.secrets_key import SecretsKey
from cli.operations.bootstrap.stack import StackLocation, StackMaker
from cli.operations.bootstrap.state_bucket import StateBucket
from cli.stack.backends import Backend
from infra.contract import api_endpoints
from infra.contract.naming import secrets_provider, state_backend

ACCOUNTS_KEY = "aws:allowedAccountIds"
"""Pulumi's AWS provider refuses every other account."""

Report = Callable[[str], None]


@dataclass(frozen=True)
class Preparation:
    """The request and the findings of the checks: the input of `make`."""

    environment: Environment
    aws: Aws
    caller: Caller
    requested: RequestedSettings
    tools: Sequence[programs.InstalledTool] = ()
    needs: Sequence[quotas.Need] = ()
    repository: Repository | None = None
    """Whose pipeline deploys branches on it, if one shall."""

    @property
    def pipeline(self) -> PipelineAccess:
        return PipelineAccess(self.aws, self.caller, self.environment.name)

    @property
    def variables(self) -> dict[str, str]:
        """What the workflows of that repository need to know."""
        roles = self.pipeline.roles
        return {
            "AERODROME_BASE": self.environment.name,
            "AERODROME_BACKEND": self.place.backend,
            "AERODROME_REGION": self.aws.region,
            "AERODROME_PREVIEW_ROLE": roles["preview"].arn,
            "AERODROME_DEPLOY_ROLE": roles["deploy"].arn,
        }

    @property
    def place(self) -> StackLocation:
        where = self.aws.region
        return StackLocation(
            state_backend(self.caller.account, where),
            secrets_provider(self.environment.name, where),
        )


@dataclass(frozen=True)
class Prepared:
    """The result of bootstrap."""

    plan: Preparation
    bucket: str
    alias: str
    made: dict[str, list[str]] = field(default_factory=dict)
    """By thing: what of it was made or changed; empty lists where all was there."""

    def data(self) -> dict[str, Any]:
        plan = self.plan
        return {
            "environment": plan.environment.name,
            "region": plan.aws.region,
            "caller": plan.caller.data(),
            "bucket": self.bucket,
            "keyAlias": self.alias,
            "backend": plan.place.backend,
            "secretsProvider": plan.place.secrets_provider,
            "made": self.made,
            "tools": [tool.data() for tool in plan.tools],
            "quotas": [need.data() for need in plan.needs],
            "variables": plan.variables if plan.repository else {},
        }


def look(
    environment: Environment,
    aws: Aws,
    assignments: Sequence[str],
    report: Report,
    repository: Repository | None = None,
) -> Preparation:
    """Everything that can be known before anything is made. UserError if something will not do."""
    wanted = requested_settings.read(environment, assignments)
    region.check_name(aws, wanted, environment.name)
    sessions = api_endpoints.takes_sessions(str(wanted.value(api_endpoints.SETTING)))
    found = programs.look(programs.needed(wanted.value("kubernetesVersion"), sessions=sessions))
    programs.check(found)
    report(f"tools: {', '.join(f'{tool.name} {tool.version}' for tool in found)}")
    caller = who(aws, wanted, environment)
    stack.check_login(state_backend(caller.account, aws.region))
    report(f"account {caller.account}, as {caller.arn}")
    region.check_enabled(aws)
    region.check_instance_types(aws, wanted)
    report(f"region {aws.region}: enabled, and it has the instance types")
    needs = quotas.needs(aws, wanted, environment.name)
    quotas.check(needs, aws.region)
    for need in needs:
        report(str(need))
    plan = Preparation(environment, aws, caller, wanted, found, needs, repository)
    if repository is None:
        return plan
    plan.pipeline.check()
    report(f"GitHub: {repository.claim} may have the roles of {environment.name}'s pipeline")
    return replace(
        plan, requested=replace(wanted, given={**wanted.given, **plan.pipeline.settings})
    )


def who(aws: Aws, wanted: RequestedSettings, environment: Environment) -> Caller:
    """Who we are. UserError if the environment is in another account."""
    caller = aws.caller()
    configured = wanted.configured.get(ACCOUNTS_KEY)
    if configured and caller.account not in configured:
        raise UserError(
            f'Environment "{environment.name}" is in another account',
            f"You are {caller.arn} in account {caller.account}; its configuration\n"
            f"({environment.config_file.name}) allows {configured} only. Name the right profile.",
            f"./aerodrome bootstrap {environment.name} --region {aws.region} --profile PROFILE",
        )
    return caller


def make(plan: Preparation, backend: Callable[[], Backend], report: Report) -> Prepared:
    """What is missing. The next run finishes what this one does not."""
    bucket, key = StateBucket(plan.aws, plan.caller), SecretsKey(plan.aws, plan.environment.name)
    made: dict[str, list[str]] = {}

    def note(thing: str, name: str, done: list[str]) -> None:
        made[thing] = done
        report(f"{name}: {'made ' + ', '.join(done) if done else 'as it should be'}")

    note("bucket", bucket.name, bucket.ensure())
    note("key", key.alias, key.ensure())
    if plan.repository is not None:
        done = plan.pipeline.ensure(plan.repository)
        note("pipeline", f"pipeline of {plan.repository.name}", done)
    with stack.acting_as(plan.aws.profile, plan.place.backend):
        maker = StackMaker(plan.environment, plan.place)
        maker.login()
        there = {each.name: each for each in stack.kept(bucket)}.get(plan.environment.name)
        note("stack", f"stack {plan.environment.name}", maker.ensure(there))
        fixed = {REGION_KEY: plan.aws.region, ACCOUNTS_KEY: f'["{plan.caller.account}"]'}
        done = stack.configure(backend(), plan.environment, plan.requested, fixed)
        note("configuration", "configuration", done)
    return Prepared(plan, bucket.name, key.alias, made)

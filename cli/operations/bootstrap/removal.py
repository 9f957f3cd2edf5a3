"""`aerodrome bootstrap ENV --remove`: the way back. Refused while something still needs what goes.

The bucket is shared by the environments of the account and region; it goes with the last of them,
and only if somebody asked for the history in it to be thrown away.
"""

from dataclasses import asdict, dataclass
from typing import Any

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.operations.bootstrap import stack
from cli.operations.bootstrap.aws import Aws, Caller
from cli.operations.bootstrap.pipeline_access import PipelineAccess
from cli.operations.bootstrap.prepare import Report
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.bootstrap.secrets_key import DELETION_DAYS, SecretsKey
from cli.operations.bootstrap.stack import Kept, StackLocation, StackMaker
from cli.operations.bootstrap.state_bucket import StateBucket
from infra.contract.naming import secrets_provider, state_backend


@dataclass(frozen=True)
class Removed:
    """The result of `--remove`."""

    bucket: str
    backend: str
    stack: bool
    keys: list[str]
    """Ids of keys whose deletion is scheduled."""

    config_file: str
    bucket_kept: str
    """Why the bucket is still there; empty if it is not."""

    roles: list[str]
    """Those of the pipeline that went."""

    def data(self) -> dict[str, Any]:
        return asdict(self)


def remove(
    environment: Environment,
    aws: Aws,
    caller: Caller,
    requested: RequestedSettings,
    report: Report,
    *,
    empty_bucket: bool,
) -> Removed:
    """Deletes what bootstrap made for `environment`."""
    bucket, key = StateBucket(aws, caller), SecretsKey(aws, environment.name)
    place = StackLocation(
        state_backend(caller.account, aws.region), secrets_provider(environment.name, aws.region)
    )
    stacks = stack.kept(bucket) if bucket.exists() else []
    _refuse_if_needed(environment, stacks, key.alias)
    # Who could still come in comes first.
    roles = _remove_pipeline(PipelineAccess(aws, caller, environment.name), requested, report)
    own = any(each.name == environment.name for each in stacks)
    if own:
        with stack.acting_as(aws.profile, place.backend):
            StackMaker(environment, place).remove()
        report(f"stack {environment.name}: removed")
    file = environment.config_file
    had_file = file.exists()
    file.unlink(missing_ok=True)
    if had_file:
        report(f"{file.name}: removed")
    keys = key.schedule_deletion()
    for each in keys:
        report(f"key {each}: gone in {DELETION_DAYS} days (aws kms cancel-key-deletion)")
    others = [each.name for each in stacks if each.name != environment.name]
    kept = _remove_bucket(bucket, others, report, empty=empty_bucket)
    return Removed(
        bucket.name, place.backend, own, keys, file.name if had_file else "", kept, roles
    )


def _remove_pipeline(
    pipeline: PipelineAccess, requested: RequestedSettings, report: Report
) -> list[str]:
    expected = any(name in requested.configured for name in pipeline.settings)
    roles, kept = pipeline.remove(expected=expected)
    for role in roles:
        report(f"role {role}: removed")
    if kept:
        report(f"identity provider {pipeline.provider.arn}: kept, {kept}")
    return roles


def _refuse_if_needed(environment: Environment, stacks: list[Kept], alias: str) -> None:
    """UserError while something is deployed, or a stack's secrets need the key."""
    for each in stacks:
        if each.name == environment.name and each.resources:
            raise UserError(
                f'Environment "{each.name}" is still deployed: {each.resources} resource(s)',
                "Without the state and its key they could not be deleted. Destroy it first.",
                f"./aerodrome down --env {each.name}",
            )
        if each.name != environment.name and f"{alias}?" in f"{each.secrets_provider}?":
            raise UserError(
                f'The stack "{each.name}" has its secrets encrypted with the key of "{environment.name}"',
                "It is an environment on this base. Destroy it first.",
                f"./aerodrome down --env {each.name}",
            )


def _remove_bucket(bucket: StateBucket, others: list[str], report: Report, *, empty: bool) -> str:
    """Why the bucket is kept; empty if it is gone."""
    if not bucket.exists():
        return ""
    if others:
        return f"it holds the stacks of {', '.join(sorted(others))}"
    if not empty and any(True for _ in bucket.versions()):
        return "it holds the history of the stacks; --empty-bucket deletes that too"
    bucket.empty(report)
    bucket.delete()
    report(f"{bucket.name}: deleted")
    return ""

"""The documented policy is enough (every other test here), and nothing in it is too much."""

import copy
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from cli.base.errors import CloudError
from cli.operations.bootstrap import quotas, region
from cli.operations.bootstrap.aws import Aws, Caller, refusals_explained
from cli.operations.bootstrap.github import repository
from cli.operations.bootstrap.pipeline_access import PipelineAccess
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.bootstrap.secrets_key import SecretsKey
from cli.operations.bootstrap.state_bucket import StateBucket
from tests.bootstrap.conftest import ACCOUNT, PIPELINE_POLICY, POLICY, Account
from tests.granted import Granted, actions

NEVER_REFUSED = {
    # AWS answers these to everybody who has a key.
    "sts:GetCallerIdentity",
    # Asked only where an account has no value of its own; the emulator always has one.
    "servicequotas:GetAWSDefaultServiceQuota",
    # Asked by AWS beside CreateKey; the emulator does not.
    "kms:TagResource",
    # Without it, keys that are not ours are passed over: what is lost is only a key without an alias.
    "kms:ListResourceTags",
    # Asked by AWS beside the creation of what gets tags at once; the emulator does not.
    "iam:TagRole",
    "iam:TagOpenIDConnectProvider",
}


def without(action: str, policy: dict[str, Any] = POLICY) -> dict[str, Any]:
    policy = copy.deepcopy(policy)
    for statement in policy["Statement"]:
        statement["Action"] = [each for each in statement["Action"] if each != action]
    policy["Statement"] = [each for each in policy["Statement"] if each["Action"]]
    return policy


class User(Aws):
    """The SDK's own session, with the bootstrapping user's key and the emulator's address."""

    def __init__(self, account: Account, watching: Granted | None = None) -> None:
        super().__init__(account.region)
        self._account = account
        self._watching = watching

    def client(self, service: str, region: str = "") -> Any:
        place = (service, region or self.region)
        if place not in self._clients:
            self._clients[place] = boto3.client(
                service,
                endpoint_url=self._account.emulator.url,
                region_name=place[1],
                aws_access_key_id=self._account.key["id"],
                aws_secret_access_key=self._account.key["secret"],
            )
            if self._watching:
                self._watching.watch(self._clients[place])
        return self._clients[place]


def everything(account: Account, aws: Aws) -> None:
    """All that bootstrap, Pulumi on its behalf, and `--remove --empty-bucket` ask of AWS."""
    caller = Caller(ACCOUNT, "")
    requested = RequestedSettings({}, {})
    with refusals_explained(None):
        region.check_enabled(aws)
        region.check_instance_types(aws, requested)
        quotas.needs(aws, requested, account.environment)
        bucket, key = StateBucket(aws, caller), SecretsKey(aws, account.environment)
        bucket.ensure()
        # AWS makes these two by itself: somebody may have taken them away.
        account.root("s3").delete_public_access_block(Bucket=account.bucket)
        account.root("s3").put_bucket_encryption(
            Bucket=account.bucket,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
            },
        )
        assert len(bucket.ensure()) == 2
        list(bucket.read(".pulumi/"))
        key.ensure()
        _pulumi(aws, account)
        found = key.find()
        aws.client("kms").schedule_key_deletion(KeyId=found, PendingWindowInDays=30)
        key.ensure()
        key.schedule_deletion()
        bucket.empty(lambda _: None)
        bucket.delete()


def _pulumi(aws: Aws, account: Account) -> None:
    """What Pulumi does with the bucket and the key."""
    s3, kms = aws.client("s3"), aws.client("kms")
    s3.put_object(Bucket=account.bucket, Key=".pulumi/meta.yaml", Body=b"version: 1")
    s3.get_object(Bucket=account.bucket, Key=".pulumi/meta.yaml")
    secret = kms.encrypt(KeyId=account.alias, Plaintext=b"x")["CiphertextBlob"]
    assert kms.decrypt(KeyId=account.alias, CiphertextBlob=secret)["Plaintext"] == b"x"
    s3.delete_object(Bucket=account.bucket, Key=".pulumi/meta.yaml")


def granted(
    account: Account,
    work: Callable[[Account, Aws], None],
    policy: dict[str, Any],
    name: str = "inline",
) -> Granted:
    """What the work needs, after a run with the whole policy."""
    work(account, User(account))
    account.wipe()
    never = {one for one in actions(policy) if one[1] in NEVER_REFUSED}
    found = Granted(policy, lambda left: account.allow(left, name), never)
    work(account, User(account, found))
    return found


def needless(found: Granted) -> set[str]:
    """By their names: AWS asks for some in two statements at once, the emulator in one of the two."""
    listed, needed = actions(found.policy), {name for _, name in found.needed}
    return {name for _, name in listed} - NEVER_REFUSED - needed


def test_every_action_of_the_policy_is_needed(account: Account) -> None:
    assert not needless(granted(account, everything, POLICY))


def pipeline(account: Account, aws: Aws) -> None:
    """All that --github, and --remove after it, ask of AWS."""
    with refusals_explained(None):
        access = PipelineAccess(aws, Caller(ACCOUNT, ""), account.environment)
        access.check()
        access.ensure(repository("team/airflow"))
        # Somebody else took it over.
        assert access.ensure(repository("team/other"))
        assert access.remove(expected=True) == ([role.name for role in access.roles.values()], "")


def test_every_action_of_the_pipelines_policy_is_needed(team: Account) -> None:
    found = granted(team, pipeline, PIPELINE_POLICY, "pipeline")
    assert not needless(found)
    listing = "docs/bootstrap-pipeline-policy.json lists"
    for refusal in found.refusals:
        with pytest.raises(CloudError, match=listing), refusals_explained(None):
            raise refusal


def test_a_run_that_is_cut_short_after_any_change_is_finished_by_the_next(team: Account) -> None:
    whose, changes = repository("team/airflow"), ("Create", "Put", "Update")
    for last in (1, 2, 3, 4, 5):
        team.wipe()
        aws, done = User(team), list[str]()

        def count(model: Any, done: list[str] = done, last: int = last, **_: Any) -> None:
            if model.name.startswith(changes):
                done.append(model.name)
                if len(done) > last:
                    raise KeyboardInterrupt

        aws.client("iam").meta.events.register("before-call.iam", count)
        access = PipelineAccess(aws, Caller(ACCOUNT, ""), team.environment)
        with suppress(KeyboardInterrupt):
            access.ensure(whose)
        after = PipelineAccess(User(team), Caller(ACCOUNT, ""), team.environment)
        # Five changes make it whole: the provider, two roles, two policies.
        assert bool(after.ensure(whose)) is (last < 5)
        assert after.ensure(whose) == []
        assert len(team.pipeline_roles()) == 2


def test_the_pipelines_policy_opens_no_role_that_is_not_a_pipelines(team: Account) -> None:
    iam = team.own("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    name = f"aerodrome-{team.environment}-airflow"
    team.root("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
    new = {"RoleName": "aerodrome-new", "AssumeRolePolicyDocument": document}
    for call in (
        lambda: iam.create_role(**new),
        lambda: iam.create_role(**new, Path="/aerodrome/dev/"),
        lambda: iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document),
        lambda: iam.update_assume_role_policy(RoleName=name, PolicyDocument=document),
        lambda: iam.delete_role(RoleName=name),
        lambda: iam.create_open_id_connect_provider(Url="https://token.example.com"),
    ):
        with pytest.raises(ClientError, match=r"AccessDenied|not authorized"):
            call()
    team.root("iam").delete_role(RoleName=name)


def test_a_missing_permission_is_named(account: Account) -> None:
    account.allow(without("kms:CreateKey"))
    done = account.bootstrap()
    assert done.returncode == 1
    assert "AWS does not let you call CreateKey" in done.stderr
    assert "docs/bootstrap-policy.json lists what bootstrap needs" in done.stderr
    account.allow(POLICY)
    assert account.made()["bucket"] == []


def test_the_policy_opens_nothing_that_is_not_ours(account: Account) -> None:
    root, own = account.root("s3"), account.own("s3")
    root.create_bucket(
        Bucket="somebody-elses", CreateBucketConfiguration={"LocationConstraint": account.region}
    )
    kms = account.root("kms")
    foreign = kms.create_key(Description="somebody else's")["KeyMetadata"]["KeyId"]
    for call in (
        lambda: own.list_objects_v2(Bucket="somebody-elses"),
        lambda: own.put_object(Bucket="somebody-elses", Key="x", Body=b""),
        lambda: account.own("kms").schedule_key_deletion(KeyId=foreign, PendingWindowInDays=7),
        lambda: account.own("kms").encrypt(KeyId=foreign, Plaintext=b"x"),
        lambda: account.own("kms").create_key(Description="without our tag"),
        lambda: account.own("iam").create_user(UserName="nobody"),
    ):
        with pytest.raises(ClientError, match=r"AccessDenied|not authorized"):
            call()
    root.delete_bucket(Bucket="somebody-elses")

"""The bucket that keeps the stacks' state: one for each account and region.

Versioned, because the state is what a teardown needs to find the resources; encrypted; nobody gets in
without TLS, and never the public. Each of its settings is read first and written only if it differs.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from cli.base.errors import CloudError, UserError
from cli.cloud.errors import code_of
from cli.operations.bootstrap.aws import Aws, Caller
from infra.contract.naming import TAG_BOOTSTRAP, state_bucket

KEPT_DAYS = 90
"""How long an overwritten state can be brought back."""

KEPT_VERSIONS = 20
"""How many old versions stay however old they are: a stack that nobody touched for a year."""

BATCH = 1000
"""The most that S3 deletes in one call."""

_MISSING = {"404", "NoSuchBucket", "NotFound"}


@dataclass(frozen=True)
class Part:
    """One setting of the bucket: the answer of GET holds what PUT takes."""

    name: str
    wanted: Mapping[str, Any]
    """The arguments of `put_NAME` that say what is wanted."""

    absent: str = ""
    """AWS's error where the setting was never made."""


class StateBucket:
    """The bucket, made or not."""

    def __init__(self, aws: Aws, caller: Caller) -> None:
        self.name = state_bucket(caller.account, aws.region)
        self._aws = aws
        self._s3 = aws.client("s3")
        # Bucket names are the whole world's: nothing of ours may go into somebody else's.
        self._own = {"Bucket": self.name, "ExpectedBucketOwner": caller.account}

    def exists(self) -> bool:
        try:
            self._s3.head_bucket(**self._own)
        except ClientError as error:
            if code_of(error) in _MISSING:
                return False
            if code_of(error) in ("403", "AccessDenied"):
                raise UserError(
                    f"You may not look at the bucket {self.name}",
                    "Either the policy of docs/bootstrap-policy.json is not attached to you, or another\n"
                    "account has taken the name.",
                    f"aws s3api head-bucket --bucket {self.name}",
                ) from error
            raise
        return True

    def ensure(self) -> list[str]:
        """The bucket as it must be. What was made or changed; nothing if all was there."""
        done = []
        if not self.exists():
            self._create()
            done.append("bucket")
        for part in self._parts():
            if self._current(part) != part.wanted:
                getattr(self._s3, f"put_{part.name}")(**self._own, **part.wanted)
                done.append(part.name.removeprefix("bucket_").replace("_", " "))
        return done

    def _create(self) -> None:
        place = (
            # The one region that must not be named.
            {}
            if self._aws.region == "us-east-1"
            else {"CreateBucketConfiguration": {"LocationConstraint": self._aws.region}}
        )
        self._s3.create_bucket(Bucket=self.name, **place)

    def _current(self, part: Part) -> Any:
        try:
            answer = getattr(self._s3, f"get_{part.name}")(**self._own)
        except ClientError as error:
            if code_of(error) != part.absent:
                raise
            return None
        return _as_asked(part, answer)

    def _parts(self) -> Iterator[Part]:
        """Access first: from the second call on nobody else gets in."""
        yield Part(
            "public_access_block",
            {
                "PublicAccessBlockConfiguration": {
                    "BlockPublicAcls": True,
                    "IgnorePublicAcls": True,
                    "BlockPublicPolicy": True,
                    "RestrictPublicBuckets": True,
                }
            },
            "NoSuchPublicAccessBlockConfiguration",
        )
        yield Part("bucket_policy", {"Policy": self._policy()}, "NoSuchBucketPolicy")
        yield Part("bucket_versioning", {"VersioningConfiguration": {"Status": "Enabled"}})
        yield Part(
            "bucket_encryption",
            {"ServerSideEncryptionConfiguration": {"Rules": [ENCRYPTED]}},
            "ServerSideEncryptionConfigurationNotFoundError",
        )
        yield Part(
            "bucket_lifecycle_configuration",
            {"LifecycleConfiguration": {"Rules": [FORGETS]}},
            "NoSuchLifecycleConfiguration",
        )
        yield Part(
            "bucket_tagging",
            {"Tagging": {"TagSet": [{"Key": TAG_BOOTSTRAP, "Value": "state"}]}},
            "NoSuchTagSet",
        )

    def _policy(self) -> str:
        partition = self._aws.partition
        arn = f"arn:{partition}:s3:::{self.name}"
        statement = {
            "Sid": "RefusePlainHttp",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, sort_keys=True)

    def versions(self) -> Iterator[dict[str, str]]:
        """Every version of every object, deletions included."""
        for page in self._s3.get_paginator("list_object_versions").paginate(**self._own):
            for item in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
                yield {"Key": item["Key"], "VersionId": item["VersionId"]}

    def empty(self, report: Callable[[str], None]) -> None:
        """Deletes every version of every object: no way back."""
        doomed = list(self.versions())
        for start in range(0, len(doomed), BATCH):
            answer = self._s3.delete_objects(
                **self._own, Delete={"Objects": doomed[start : start + BATCH], "Quiet": True}
            )
            for failed in answer.get("Errors", []):
                raise CloudError(
                    f"An object of {self.name} cannot be deleted",
                    f"{failed.get('Key')}: {failed.get('Message')}",
                    code=str(failed.get("Code", "")),
                )
        if doomed:
            report(f"{len(doomed)} object version(s) of {self.name} deleted")

    def delete(self) -> None:
        self._s3.delete_bucket(**self._own)

    def read(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """The objects below a prefix: key and content."""
        for page in self._s3.get_paginator("list_objects_v2").paginate(**self._own, Prefix=prefix):
            for item in page.get("Contents", []):
                answer = self._s3.get_object(**self._own, Key=item["Key"])
                yield str(item["Key"]), answer["Body"].read()


ENCRYPTED: dict[str, Any] = {
    # S3's own keys: the secrets inside are encrypted with the environment's key before they come here.
    "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}
}

FORGETS: dict[str, Any] = {
    "ID": "forget-old-state",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "NoncurrentVersionExpiration": {
        "NoncurrentDays": KEPT_DAYS,
        "NewerNoncurrentVersions": KEPT_VERSIONS,
    },
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
}


def _as_asked(part: Part, answer: Mapping[str, Any]) -> Any:
    """What a GET says in the form of what PUT takes: AWS adds and nests as it pleases."""
    match part.name:
        case "bucket_policy":
            return {"Policy": json.dumps(json.loads(answer["Policy"]), sort_keys=True)}
        case "bucket_versioning":
            return {"VersioningConfiguration": {"Status": answer.get("Status")}}
        case "bucket_encryption":
            rules = answer["ServerSideEncryptionConfiguration"]["Rules"]
            # AWS names the options that were not asked for too.
            kept = [{key: rule[key] for key in ENCRYPTED if key in rule} for rule in rules]
            return {"ServerSideEncryptionConfiguration": {"Rules": kept}}
        case "bucket_lifecycle_configuration":
            return {"LifecycleConfiguration": {"Rules": answer["Rules"]}}
        case "bucket_tagging":
            return {"Tagging": {"TagSet": answer["TagSet"]}}
        case _:
            return {key: answer[key] for key in part.wanted}

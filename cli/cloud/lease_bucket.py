"""Leases in S3, for everybody who deploys to an account: they lie in the bucket of its stacks.

Loads botocore: only what goes to AWS imports it.
"""

import time
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cli.base.errors import KitError
from cli.base.lease_stores import FOLDER, Entry, Store
from cli.cloud.resource import Client
from infra.contract.naming import state_bucket

_ABSENT = ("NoSuchKey", "NoSuchBucket", "404")
_CHANGED = ("PreconditionFailed", "ConditionalRequestConflict", *_ABSENT)
"""S3's refusals of a conditional write: somebody else wrote, writes at this moment, or took it away."""


def store_of(client: Client, environment: str, region: str) -> Store | None:
    """The place of an environment's lease; None in an account that bootstrap did not prepare."""
    try:
        account = client("sts").get_caller_identity()["Account"]
        bucket = state_bucket(account, region)
        client("s3").head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
    except (ClientError, BotoCoreError) as error:
        if _code(error) in _ABSENT:
            return None
        raise KitError("AWS does not say whether somebody is at work", str(error)) from error
    return BucketStore(client("s3"), bucket, environment)


class BucketStore:
    """In S3, for everybody who deploys to the account. `s3` is a boto3 client."""

    def __init__(self, s3: Any, bucket: str, environment: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._key = f"{FOLDER}/{environment}.json"

    def read(self) -> Entry | None:
        try:
            found = self._s3.get_object(Bucket=self._bucket, Key=self._key)
        except (ClientError, BotoCoreError) as error:
            if _code(error) in _ABSENT:
                return None
            raise self._failed(error) from error
        # By S3's own clock: ours, and that of the holder's machine, may be wrong.
        headers = found["ResponseMetadata"]["HTTPHeaders"]
        text = str(found["Body"].read(), "utf-8", "replace")
        place = f"s3://{self._bucket}/{self._key}"
        return Entry(text, found["ETag"], _age(found["LastModified"], headers.get("date")), place)

    def all(self) -> dict[str, Entry]:
        try:
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=f"{FOLDER}/"
            )
            keys = [str(item["Key"]) for page in pages for item in page.get("Contents", ())]
        except (ClientError, BotoCoreError) as error:
            raise self._failed(error) from error
        names = [key.removeprefix(f"{FOLDER}/").removesuffix(".json") for key in keys]
        found = {name: BucketStore(self._s3, self._bucket, name).read() for name in names}
        return {name: entry for name, entry in found.items() if entry is not None}

    def write(self, text: str, version: str | None) -> bool:
        condition = {"IfMatch": version} if version else {"IfNoneMatch": "*"}
        try:
            self._s3.put_object(Bucket=self._bucket, Key=self._key, Body=text.encode(), **condition)
        except (ClientError, BotoCoreError) as error:
            if _code(error) in _CHANGED:
                return False
            raise self._failed(error) from error
        return True

    def remove(self, version: str) -> None:
        try:
            found = self._s3.head_object(Bucket=self._bucket, Key=self._key)
            if found["ETag"] == version:
                self._s3.delete_object(Bucket=self._bucket, Key=self._key)
        except (ClientError, BotoCoreError) as error:
            if _code(error) not in _ABSENT:
                raise self._failed(error) from error

    def _failed(self, error: Exception) -> KitError:
        return KitError(f"The lease s3://{self._bucket}/{self._key} cannot be used", str(error))


def _code(error: Exception) -> str:
    return str(error.response["Error"].get("Code")) if isinstance(error, ClientError) else ""


def _age(modified: Any, date: str | None) -> float:
    now = parsedate_to_datetime(date).timestamp() if date else time.time()
    return max(now - float(modified.timestamp()), 0.0)

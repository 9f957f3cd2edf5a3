"""aws:s3/bucket:Bucket."""

from collections.abc import Collection, Mapping, Set
from types import MappingProxyType
from typing import Any

from sandbox.errors import CloudError
from sandbox.providers import contract
from sandbox.providers.aws.refusals import absent, code_of
from sandbox.providers.aws.resource import Known, Resource
from sandbox.providers.aws.tags import to_list, visible
from sandbox.wire.values import UNKNOWN, Properties


class Bucket(Resource):
    """CreateBucket, HeadBucket, {Get,Put,Delete}BucketTagging, DeleteBucket; with forceDestroy
    also ListObjectVersions, DeleteObjects. The settings are resources of their own."""

    TYPE = "aws:s3/bucket:Bucket"
    SERVICE = "s3"
    REPLACE_ON = frozenset({"bucket"})
    IN_PLACE = frozenset({"forceDestroy"})
    DEFAULTS = MappingProxyType({"forceDestroy": False})
    COMPUTED = (
        "arn",
        "bucketDomainName",
        "bucketRegion",
        "bucketRegionalDomainName",
        "region",
    )
    NAME = "bucket"
    LONGEST_NAME = 63

    def stem(self, name: str) -> str:
        return super().stem(name).lower()

    def validate(self, inputs: Properties) -> list[contract.CheckFailure]:
        name = inputs["bucket"]
        if name is not UNKNOWN and not 3 <= len(name) <= 63:
            return [contract.CheckFailure("bucket", "A name has between 3 and 63 characters")]
        return []

    def create(self, inputs: Properties) -> str:
        name = inputs["bucket"]
        where: dict[str, Any] = {}
        if self.aws.region != "us-east-1":
            where["CreateBucketConfiguration"] = {"LocationConstraint": self.aws.region}
        # In us-east-1 making one's own bucket again succeeds, here too: were it another
        # resource's, both would own it.
        if self._exists(name):
            raise CloudError(
                f"Bucket {name} exists already",
                "It was not made by this resource. Choose another name, or import it.",
                code="BucketAlreadyOwnedByYou",
            )
        # May be reported twice: that the bucket did not exist is known.
        with self.aws.retries.creating(careful=False):
            self.client.create_bucket(Bucket=name, **where)
        if inputs["tags"]:
            self._put_tags(name, inputs["tags"])
        return str(name)

    def _exists(self, name: str) -> bool:
        with absent():
            self.client.head_bucket(Bucket=name)
            return True
        return False

    def _put_tags(self, name: str, tags: Mapping[str, str]) -> None:
        if tags:
            self.client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": to_list(tags)})
        else:
            self.client.delete_bucket_tagging(Bucket=name)

    def all_tags(self, resource_id: str) -> Mapping[str, str]:
        with absent():
            tags = self.client.get_bucket_tagging(Bucket=resource_id)["TagSet"]
            return {tag["Key"]: tag["Value"] for tag in tags}
        return {}

    def read(self, known: Known) -> Properties | None:
        name, region = known.id, self.aws.region
        self.client.head_bucket(Bucket=name)
        return {
            "arn": f"arn:{self.aws.partition}:s3:::{name}",
            "bucket": name,
            "bucketDomainName": f"{name}.s3.{self.aws.dns_suffix}",
            "bucketRegionalDomainName": f"{name}.s3.{region}.{self.aws.dns_suffix}",
            "bucketRegion": region,
            "region": region,
            "tags": visible(self.all_tags(name)),
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        """forceDestroy is only this provider's own knowledge."""

    def retag(self, known: Known, add: Mapping[str, str], remove: Collection[str]) -> None:
        tags = dict(self.all_tags(known.id)) | dict(add)
        self._put_tags(known.id, {k: v for k, v in tags.items() if k not in remove})

    def delete(self, known: Known) -> None:
        if known.get("forceDestroy"):
            self._empty(known.id)
        try:
            self.client.delete_bucket(Bucket=known.id)
        except Exception as error:
            if code_of(error) != "BucketNotEmpty":
                raise
            raise CloudError(
                f"Bucket {known.id} still holds objects",
                "Set forceDestroy on it, run `up`, and destroy again; or empty it.",
                code="BucketNotEmpty",
            ) from error

    def _empty(self, name: str) -> None:
        """Every version of every object, and every delete marker."""
        pages = self.client.get_paginator("list_object_versions").paginate(Bucket=name)
        for page in pages:
            listed = page.get("Versions", []) + page.get("DeleteMarkers", [])
            objects = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in listed]
            if objects:
                self.client.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})

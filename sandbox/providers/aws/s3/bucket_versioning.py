"""aws:s3/bucketVersioning:BucketVersioning."""

from sandbox.providers.aws.resource import Known
from sandbox.providers.aws.s3.setting import BucketSetting
from sandbox.wire.values import Properties


class BucketVersioning(BucketSetting):
    """PutBucketVersioning, GetBucketVersioning. Deleting it suspends versioning, as the real
    provider does: AWS can not take it away."""

    TYPE = "aws:s3/bucketVersioning:BucketVersioning"
    IN_PLACE = frozenset({"versioningConfiguration"})

    def put(self, bucket: str, inputs: Properties) -> None:
        status = inputs["versioningConfiguration"]["status"]
        if status != "Disabled":
            self.client.put_bucket_versioning(
                Bucket=bucket, VersioningConfiguration={"Status": status}
            )

    def read(self, known: Known) -> Properties | None:
        status = self.client.get_bucket_versioning(Bucket=known.id).get("Status", "Disabled")
        return {"bucket": known.id, "versioningConfiguration": {"status": status}}

    def delete(self, known: Known) -> None:
        if known.get("versioningConfiguration", {}).get("status") == "Enabled":
            self.client.put_bucket_versioning(
                Bucket=known.id, VersioningConfiguration={"Status": "Suspended"}
            )

"""aws:s3/bucketOwnershipControls:BucketOwnershipControls."""

from sandbox.providers.aws.casing import camel, pascal
from sandbox.providers.aws.resource import Known
from sandbox.providers.aws.s3.setting import BucketSetting
from sandbox.wire.values import Properties


class BucketOwnershipControls(BucketSetting):
    """PutBucketOwnershipControls, GetBucketOwnershipControls, DeleteBucketOwnershipControls."""

    TYPE = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    IN_PLACE = frozenset({"rule"})

    def put(self, bucket: str, inputs: Properties) -> None:
        self.client.put_bucket_ownership_controls(
            Bucket=bucket, OwnershipControls={"Rules": [pascal(inputs["rule"])]}
        )

    def read(self, known: Known) -> Properties | None:
        answer = self.client.get_bucket_ownership_controls(Bucket=known.id)
        return {"bucket": known.id, "rule": camel(answer["OwnershipControls"]["Rules"][0])}

    def delete(self, known: Known) -> None:
        self.client.delete_bucket_ownership_controls(Bucket=known.id)

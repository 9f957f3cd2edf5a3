"""aws:s3/bucketPolicy:BucketPolicy."""

from sandbox.providers.aws.resource import Known
from sandbox.providers.aws.s3.setting import BucketSetting
from sandbox.wire.values import Properties


class BucketPolicy(BucketSetting):
    """PutBucketPolicy, GetBucketPolicy, DeleteBucketPolicy."""

    TYPE = "aws:s3/bucketPolicy:BucketPolicy"
    IN_PLACE = frozenset({"policy"})
    JSON = frozenset({"policy"})

    def put(self, bucket: str, inputs: Properties) -> None:
        self.client.put_bucket_policy(Bucket=bucket, Policy=inputs["policy"])

    def read(self, known: Known) -> Properties | None:
        policy = self.client.get_bucket_policy(Bucket=known.id)["Policy"]
        return {"bucket": known.id, "policy": policy}

    def delete(self, known: Known) -> None:
        self.client.delete_bucket_policy(Bucket=known.id)

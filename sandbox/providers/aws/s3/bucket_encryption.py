"""aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration."""

from typing import Any

from sandbox.providers.aws.resource import Known
from sandbox.providers.aws.s3.setting import BucketSetting
from sandbox.wire.values import Properties


class BucketServerSideEncryptionConfiguration(BucketSetting):
    """PutBucketEncryption, GetBucketEncryption, DeleteBucketEncryption."""

    TYPE = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    IN_PLACE = frozenset({"rules"})

    def put(self, bucket: str, inputs: Properties) -> None:
        self.client.put_bucket_encryption(
            Bucket=bucket,
            ServerSideEncryptionConfiguration={
                "Rules": [_to_api(rule) for rule in inputs["rules"]]
            },
        )

    def read(self, known: Known) -> Properties | None:
        answer = self.client.get_bucket_encryption(Bucket=known.id)
        rules = answer["ServerSideEncryptionConfiguration"]["Rules"]
        return {"bucket": known.id, "rules": [_from_api(rule) for rule in rules]}

    def delete(self, known: Known) -> None:
        self.client.delete_bucket_encryption(Bucket=known.id)


def _to_api(rule: Properties) -> dict[str, Any]:
    default = rule.get("applyServerSideEncryptionByDefault") or {}
    made: dict[str, Any] = {"BucketKeyEnabled": bool(rule.get("bucketKeyEnabled"))}
    if default:
        made["ApplyServerSideEncryptionByDefault"] = {"SSEAlgorithm": default["sseAlgorithm"]}
        if default.get("kmsMasterKeyId"):
            made["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] = default["kmsMasterKeyId"]
    return made


def _from_api(rule: dict[str, Any]) -> Properties:
    default = rule.get("ApplyServerSideEncryptionByDefault") or {}
    chosen = {
        "sseAlgorithm": default.get("SSEAlgorithm"),
        "kmsMasterKeyId": default.get("KMSMasterKeyID"),
    }
    plain: Properties = {
        "applyServerSideEncryptionByDefault": {k: v for k, v in chosen.items() if v}
    }
    if rule.get("BucketKeyEnabled"):
        plain["bucketKeyEnabled"] = True
    return plain

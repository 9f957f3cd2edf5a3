"""aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock."""

from types import MappingProxyType

from sandbox.providers.aws.casing import camel, pascal
from sandbox.providers.aws.resource import Known
from sandbox.providers.aws.s3.setting import BucketSetting
from sandbox.wire.values import Properties

_SWITCHES = (
    "blockPublicAcls",
    "blockPublicPolicy",
    "ignorePublicAcls",
    "restrictPublicBuckets",
)


class BucketPublicAccessBlock(BucketSetting):
    """PutPublicAccessBlock, GetPublicAccessBlock, DeletePublicAccessBlock."""

    TYPE = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    IN_PLACE = frozenset(_SWITCHES)
    DEFAULTS = MappingProxyType(dict.fromkeys(_SWITCHES, False))

    def put(self, bucket: str, inputs: Properties) -> None:
        self.client.put_public_access_block(
            Bucket=bucket,
            PublicAccessBlockConfiguration=pascal({key: inputs[key] for key in _SWITCHES}),
        )

    def read(self, known: Known) -> Properties | None:
        answer = self.client.get_public_access_block(Bucket=known.id)
        settings = camel(answer["PublicAccessBlockConfiguration"])
        return {"bucket": known.id, **settings}

    def delete(self, known: Known) -> None:
        self.client.delete_public_access_block(Bucket=known.id)

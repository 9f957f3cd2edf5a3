"""The base of a bucket's settings: each is a resource whose id is the bucket's name."""

from collections.abc import Set

from sandbox.providers.aws.resource import Known, Resource
from sandbox.wire.values import Properties


class BucketSetting(Resource):
    """Put on create and update alike; putting again changes nothing."""

    SERVICE = "s3"
    REPLACE_ON = frozenset({"bucket"})
    TAGGED = False

    def put(self, bucket: str, inputs: Properties) -> None:
        raise NotImplementedError(self.TYPE)

    def create(self, inputs: Properties) -> str:
        self.put(inputs["bucket"], inputs)
        return str(inputs["bucket"])

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if changes:
            self.put(known.id, inputs)

"""aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration."""

from typing import Any

from sandbox.providers.aws.casing import camel, pascal
from sandbox.providers.aws.resource import Known
from sandbox.providers.aws.s3.setting import BucketSetting
from sandbox.wire.values import Properties, Value


class BucketLifecycleConfiguration(BucketSetting):
    """PutBucketLifecycleConfiguration, GetBucketLifecycleConfiguration,
    DeleteBucketLifecycle."""

    TYPE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    IN_PLACE = frozenset({"rules"})

    def put(self, bucket: str, inputs: Properties) -> None:
        self.client.put_bucket_lifecycle_configuration(
            Bucket=bucket,
            LifecycleConfiguration={"Rules": [_to_api(rule) for rule in inputs["rules"]]},
        )

    def read(self, known: Known) -> Properties | None:
        answer = self.client.get_bucket_lifecycle_configuration(Bucket=known.id)
        return {"bucket": known.id, "rules": [_from_api(rule) for rule in answer["Rules"]]}

    def same(self, key: str, one: Value, other: Value) -> bool:
        """No filter and one for every prefix both mean every object."""
        if key == "rules" and isinstance(one, list) and isinstance(other, list):
            one, other = ([_bare(rule) for rule in rules] for rules in (one, other))
        return super().same(key, one, other)

    def delete(self, known: Known) -> None:
        self.client.delete_bucket_lifecycle(Bucket=known.id)


def _to_api(rule: Properties) -> Any:
    made: Any = pascal({key: value for key, value in rule.items() if key not in ("id", "filter")})
    made["ID"] = rule["id"]
    if not rule.get("prefix"):
        chosen = dict(rule.get("filter") or {})
        both = chosen.pop("and", None)
        made["Filter"] = pascal(chosen)
        if both:
            tags = [{"Key": k, "Value": v} for k, v in (both.get("tags") or {}).items()]
            rest = pascal({k: v for k, v in both.items() if k != "tags"})
            made["Filter"] = {"And": {**dict(rest or {}), **({"Tags": tags} if tags else {})}}
        if not made["Filter"]:
            # Every object; S3 wants it explicitly.
            made["Filter"] = {"Prefix": ""}
    return made


def _bare(rule: Properties) -> Properties:
    return rule | {"filter": None} if rule.get("filter") == {"prefix": ""} else rule


def _from_api(rule: dict[str, Any]) -> Properties:
    plain: Properties = camel({k: v for k, v in rule.items() if k not in ("ID", "Filter")})
    plain["id"] = rule.get("ID")
    chosen = rule.get("Filter") or {}
    both = chosen.get("And")
    found: Any = camel({k: v for k, v in chosen.items() if k != "And"})
    if both:
        found["and"] = camel({k: v for k, v in both.items() if k != "Tags"})
        if both.get("Tags"):
            found["and"]["tags"] = {tag["Key"]: tag["Value"] for tag in both["Tags"]}
    if found == {"prefix": ""}:
        found = None
    plain["filter"] = found
    return plain

"""aws:kms/key:Key."""

from collections.abc import Collection, Mapping, Set
from types import MappingProxyType

from sandbox.providers.aws.resource import Known, Resource
from sandbox.providers.aws.tags import from_list, to_list
from sandbox.wire.values import Properties


class Key(Resource):
    """CreateKey, UpdateKeyDescription, {Get,Put}KeyPolicy, {Enable,Disable}KeyRotation,
    GetKeyRotationStatus, {Enable,Disable}Key, DescribeKey, ListKeys, ListResourceTags,
    ScheduleKeyDeletion. A key that waits for its deletion counts as gone."""

    TYPE = "aws:kms/key:Key"
    SERVICE = "kms"
    REPLACE_ON = frozenset({"customerMasterKeySpec", "keyUsage", "multiRegion"})
    IN_PLACE = frozenset(
        {
            "deletionWindowInDays",
            "description",
            "enableKeyRotation",
            "isEnabled",
            "policy",
            "rotationPeriodInDays",
        }
    )
    DEFAULTS = MappingProxyType(
        {
            "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "enableKeyRotation": False,
            "isEnabled": True,
            "keyUsage": "ENCRYPT_DECRYPT",
            "multiRegion": False,
        }
    )
    COMPUTED = ("arn", "description", "keyId", "policy", "rotationPeriodInDays")
    JSON = frozenset({"policy"})

    def create(self, inputs: Properties) -> str:
        optional = {"Description": inputs.get("description"), "Policy": inputs.get("policy")}
        answer = self.client.create_key(
            KeyUsage=inputs["keyUsage"],
            KeySpec=inputs["customerMasterKeySpec"],
            MultiRegion=inputs["multiRegion"],
            Tags=to_list(inputs["tags"], "TagKey", "TagValue"),
            **{k: v for k, v in optional.items() if v},
        )
        return str(answer["KeyMetadata"]["KeyId"])

    def finish(self, known: Known) -> None:
        wanted = known.inputs
        if wanted["enableKeyRotation"] != self._rotates(known.id):
            if wanted["enableKeyRotation"]:
                period = wanted.get("rotationPeriodInDays")
                more = {"RotationPeriodInDays": period} if period else {}
                self.client.enable_key_rotation(KeyId=known.id, **more)
            else:
                self.client.disable_key_rotation(KeyId=known.id)
        enabled = self.client.describe_key(KeyId=known.id)["KeyMetadata"]["Enabled"]
        if wanted["isEnabled"] and not enabled:
            self.client.enable_key(KeyId=known.id)
        elif enabled and not wanted["isEnabled"]:
            self.client.disable_key(KeyId=known.id)

    def _rotates(self, key: str) -> bool:
        return bool(self.client.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"])

    def read(self, known: Known) -> Properties | None:
        item = self.client.describe_key(KeyId=known.id)["KeyMetadata"]
        if item["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion"):
            return None
        policy = self.client.get_key_policy(KeyId=item["KeyId"], PolicyName="default")
        tags = self.client.list_resource_tags(KeyId=item["KeyId"]).get("Tags", [])
        return {
            "arn": item["Arn"],
            "keyId": item["KeyId"],
            "description": item.get("Description") or None,
            "keyUsage": item["KeyUsage"],
            "customerMasterKeySpec": item.get("KeySpec", "SYMMETRIC_DEFAULT"),
            "multiRegion": item.get("MultiRegion", False),
            "isEnabled": item["Enabled"],
            "enableKeyRotation": self._rotates(item["KeyId"]),
            "policy": policy["Policy"],
            "tags": from_list(tags, "TagKey", "TagValue"),
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        """`finish`, which follows, sets rotation and whether it is enabled."""
        if "description" in changes:
            self.client.update_key_description(
                KeyId=known.id, Description=inputs.get("description") or ""
            )
        if "policy" in changes and inputs.get("policy"):
            self.client.put_key_policy(
                KeyId=known.id, PolicyName="default", Policy=inputs["policy"]
            )

    def retag(self, known: Known, add: Mapping[str, str], remove: Collection[str]) -> None:
        if add:
            self.client.tag_resource(KeyId=known.id, Tags=to_list(add, "TagKey", "TagValue"))
        if remove:
            self.client.untag_resource(KeyId=known.id, TagKeys=list(remove))

    def delete(self, known: Known) -> None:
        if self.read(known) is not None:
            self.client.schedule_key_deletion(
                KeyId=known.id,
                PendingWindowInDays=known.get("deletionWindowInDays") or 30,
            )

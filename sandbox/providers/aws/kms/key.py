"""aws:kms/key:Key."""

from collections.abc import Collection, Mapping, Set
from types import MappingProxyType

from sandbox.providers.aws.resource import Known, Resource
from sandbox.providers.aws.tags import from_list, to_list
from sandbox.wire.values import Properties


class Key(Resource):
    """CreateKey, UpdateKeyDescription, {Enable,Disable}KeyRotation, GetKeyRotationStatus,
    {Enable,Disable}Key, DescribeKey, ListResourceTags, ScheduleKeyDeletion. A key that waits
    for its deletion counts as gone."""

    TYPE = "aws:kms/key:Key"
    SERVICE = "kms"
    IN_PLACE = frozenset({"deletionWindowInDays", "description", "enableKeyRotation", "isEnabled"})
    DEFAULTS = MappingProxyType({"enableKeyRotation": False, "isEnabled": True})
    COMPUTED = ("arn", "description", "keyId")

    def create(self, inputs: Properties) -> str:
        answer = self.client.create_key(
            Description=inputs.get("description") or "",
            Tags=to_list(inputs["tags"], "TagKey", "TagValue"),
        )
        return str(answer["KeyMetadata"]["KeyId"])

    def finish(self, known: Known) -> None:
        wanted = known.inputs
        if wanted["enableKeyRotation"] != self._rotates(known.id):
            if wanted["enableKeyRotation"]:
                self.client.enable_key_rotation(KeyId=known.id)
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
        tags = self.client.list_resource_tags(KeyId=item["KeyId"]).get("Tags", [])
        return {
            "arn": item["Arn"],
            "keyId": item["KeyId"],
            "description": item.get("Description") or None,
            "isEnabled": item["Enabled"],
            "enableKeyRotation": self._rotates(item["KeyId"]),
            "tags": from_list(tags, "TagKey", "TagValue"),
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        """`finish`, which follows, sets rotation and whether it is enabled."""
        if "description" in changes:
            self.client.update_key_description(
                KeyId=known.id, Description=inputs.get("description") or ""
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

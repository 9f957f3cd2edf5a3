"""aws:secretsmanager/secret:Secret: the secret itself, without a value."""

from collections.abc import Collection, Mapping, Set
from types import MappingProxyType

from sandbox.providers import contract
from sandbox.providers.aws.resource import Known, Resource
from sandbox.providers.aws.tags import from_list, to_list
from sandbox.wire.values import Properties

_DAYS = "recoveryWindowInDays"


class ManagedSecret(Resource):
    """CreateSecret, UpdateSecret, DescribeSecret, {Tag,Untag}Resource, DeleteSecret. Id: its ARN. One that waits for its
    deletion counts as gone."""

    TYPE = "aws:secretsmanager/secret:Secret"
    SERVICE = "secretsmanager"
    REPLACE_ON = frozenset({"name"})
    IN_PLACE = frozenset({"description", "forceOverwriteReplicaSecret", "kmsKeyId", _DAYS})
    DEFAULTS = MappingProxyType({"forceOverwriteReplicaSecret": False, _DAYS: 30})
    COMPUTED = ("arn",)
    NAME = "name"
    LONGEST_NAME = 512

    def create(self, inputs: Properties) -> str:
        key = inputs.get("kmsKeyId")
        answer = self.client.create_secret(
            Name=inputs["name"],
            Description=inputs.get("description") or "",
            Tags=to_list(inputs["tags"]),
            **({"KmsKeyId": key} if key else {}),
        )
        return str(answer["ARN"])

    def read(self, known: Known) -> Properties | None:
        item = self.client.describe_secret(SecretId=known.id)
        if item.get("DeletedDate"):
            return None
        return {
            "arn": item["ARN"],
            "name": item["Name"],
            "description": item.get("Description") or None,
            "kmsKeyId": item.get("KmsKeyId") or None,
            "tags": from_list(item.get("Tags")),
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if changes & {"description", "kmsKeyId"}:
            key = inputs.get("kmsKeyId")
            self.client.update_secret(
                SecretId=known.id,
                Description=inputs.get("description") or "",
                **({"KmsKeyId": key} if key else {}),
            )

    def retag(self, known: Known, add: Mapping[str, str], remove: Collection[str]) -> None:
        if add:
            self.client.tag_resource(SecretId=known.id, Tags=to_list(add))
        if remove:
            self.client.untag_resource(SecretId=known.id, TagKeys=list(remove))

    def delete(self, known: Known) -> None:
        if self.read(known) is None:
            return
        days = int(known.get(_DAYS, 30))
        how = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
        self.client.delete_secret(SecretId=known.id, **how)

    def validate(self, inputs: Properties) -> list[contract.CheckFailure]:
        days = inputs[_DAYS]
        if days == 0 or (isinstance(days, (int, float)) and 7 <= days <= 30):
            return []
        return [contract.CheckFailure(_DAYS, "must be 0 or between 7 and 30")]

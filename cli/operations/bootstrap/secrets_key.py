"""The KMS key that encrypts the secrets of an environment's stacks, and the alias that names it.

Pulumi's configuration names the alias; the key is found by it, or, if a run was cut short between the
two, by its tag.
"""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from cli.cloud.errors import code_of
from cli.operations.bootstrap.aws import Aws
from infra.contract.naming import TAG_BOOTSTRAP, secrets_key_alias

DELETION_DAYS = 30
"""How long a deletion can be taken back: the longest that AWS has. Without the key, old versions of
the state cannot be read."""


class SecretsKey:
    """The key of one environment, made or not."""

    def __init__(self, aws: Aws, environment: str) -> None:
        self.alias = secrets_key_alias(environment)
        self._environment = environment
        self._kms = aws.client("kms")

    def ensure(self) -> list[str]:
        """The key as it must be. What was made or changed; nothing if all was there."""
        done = []
        key = self.find()
        if key is None:
            key = self._unnamed() or self._create()
            self._kms.create_alias(AliasName=self.alias, TargetKeyId=key)
            done.append("key and alias")
        if self._state(key) == "PendingDeletion":
            self._kms.cancel_key_deletion(KeyId=key)
            done.append("deletion cancelled")
        if self._state(key) == "Disabled":
            self._kms.enable_key(KeyId=key)
            done.append("enabled")
        if not self._kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]:
            self._kms.enable_key_rotation(KeyId=key)
            done.append("rotation")
        return done

    def find(self) -> str | None:
        """The id of the key that has the alias."""
        try:
            answer = self._kms.describe_key(KeyId=self.alias)
        except ClientError as error:
            if code_of(error) != "NotFoundException":
                raise
            return None
        return str(answer["KeyMetadata"]["KeyId"])

    def schedule_deletion(self) -> list[str]:
        """Deletes the alias and schedules the deletion of the key, which can be cancelled for weeks. Returns their ids."""
        named = self.find()
        doomed = [*([named] if named else []), *self._all_unnamed()]
        for key in doomed:
            self._schedule(key)
        if named:
            # Last: a run that is cut short must still find the key.
            self._kms.delete_alias(AliasName=self.alias)
        return doomed

    def _schedule(self, key: str) -> None:
        if self._state(key) != "PendingDeletion":
            self._kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=DELETION_DAYS)

    def _create(self) -> str:
        answer = self._kms.create_key(
            Description=f"Secrets of the Pulumi stacks of {self._environment}",
            Tags=[{"TagKey": TAG_BOOTSTRAP, "TagValue": self._environment}],
        )
        return str(answer["KeyMetadata"]["KeyId"])

    def _unnamed(self) -> str | None:
        """A key that a run made before it was cut short."""
        return next(self._all_unnamed(), None)

    def _all_unnamed(self) -> Iterator[str]:
        named = {
            item.get("TargetKeyId")
            for page in self._kms.get_paginator("list_aliases").paginate()
            for item in page["Aliases"]
        }
        for page in self._kms.get_paginator("list_keys").paginate():
            for item in page["Keys"]:
                key = str(item["KeyId"])
                if key not in named and self._is_ours(key):
                    yield key

    def _is_ours(self, key: str) -> bool:
        try:
            tags: list[dict[str, Any]] = self._kms.list_resource_tags(KeyId=key)["Tags"]
        except ClientError as error:
            # Keys of other services and accounts may be closed to us; ours never is.
            if code_of(error) == "AccessDeniedException":
                return False
            raise
        mine = {"TagKey": TAG_BOOTSTRAP, "TagValue": self._environment} in tags
        return mine and self._state(key) == "Enabled"

    def _state(self, key: str) -> str:
        return str(self._kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"])

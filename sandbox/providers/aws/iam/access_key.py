"""aws:iam/accessKey:AccessKey."""

from collections.abc import Set
from types import MappingProxyType
from typing import Any, Final

from sandbox.providers.aws.iam.base import IamResource
from sandbox.providers.aws.resource import Created, Known
from sandbox.wire.values import Properties, Secret

ACTIVE: Final = "Active"


class AccessKey(IamResource):
    """CreateAccessKey, UpdateAccessKey, ListAccessKeys, ListUsers, DeleteAccessKey.

    AWS shows the secret half once, in the answer to CreateAccessKey. If that answer is lost
    the key is useless; forceDestroy of the user takes it away.
    """

    TYPE = "aws:iam/accessKey:AccessKey"
    REPLACE_ON = frozenset({"user"})
    IN_PLACE = frozenset({"status"})
    DEFAULTS = MappingProxyType({"status": ACTIVE})
    COMPUTED = ("secret",)
    TAGGED = False

    def create(self, inputs: Properties) -> Created:
        key = self.client.create_access_key(UserName=inputs["user"])["AccessKey"]
        if inputs["status"] != ACTIVE:
            self._set_status(inputs["user"], key["AccessKeyId"], inputs["status"])
        return Created(key["AccessKeyId"], {"secret": Secret(key["SecretAccessKey"])})

    def _get(self, known: Known) -> Any | None:
        user = known.get("user") or self._owner(known.id)
        if user is None:
            return None
        keys = self.client.list_access_keys(UserName=user)["AccessKeyMetadata"]
        return next((key for key in keys if key["AccessKeyId"] == known.id), None)

    def _owner(self, key_id: str) -> str | None:
        """For an import, which names only the key: IAM does not say whose it is."""
        for user in self.client.list_users()["Users"]:
            keys = self.client.list_access_keys(UserName=user["UserName"])
            if key_id in {key["AccessKeyId"] for key in keys["AccessKeyMetadata"]}:
                return str(user["UserName"])
        return None

    def read(self, known: Known) -> Properties | None:
        item = self._get(known)
        if item is None:
            return None
        secret = {"secret": known.outputs["secret"]} if "secret" in known.outputs else {}
        return {"user": item["UserName"], "status": item["Status"], **secret}

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        self._set_status(inputs["user"], known.id, inputs["status"])

    def _set_status(self, user: Any, key_id: str, status: Any) -> None:
        self.client.update_access_key(UserName=user, AccessKeyId=key_id, Status=status)

    def delete(self, known: Known) -> None:
        self.client.delete_access_key(UserName=known.get("user"), AccessKeyId=known.id)

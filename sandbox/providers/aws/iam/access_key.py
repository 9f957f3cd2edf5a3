"""aws:iam/accessKey:AccessKey."""

import base64
import hashlib
import hmac
from collections.abc import Set
from types import MappingProxyType
from typing import Any

from sandbox.providers.aws.iam.base import IamResource
from sandbox.providers.aws.resource import Created, Known
from sandbox.wire.values import Properties, Secret

_TOLD_ONCE = ("secret", "sesSmtpPasswordV4")


class AccessKey(IamResource):
    """CreateAccessKey, UpdateAccessKey, ListAccessKeys, ListUsers, DeleteAccessKey.

    AWS tells the secret half once, in the answer to CreateAccessKey. If that answer is lost
    the key is useless; forceDestroy of the user takes it away.
    """

    TYPE = "aws:iam/accessKey:AccessKey"
    REPLACE_ON = frozenset({"user"})
    IN_PLACE = frozenset({"status"})
    DEFAULTS = MappingProxyType({"status": "Active"})
    COMPUTED = ("createDate", *_TOLD_ONCE)
    TAGGED = False

    def create(self, inputs: Properties) -> Created:
        key = self.client.create_access_key(UserName=inputs["user"])["AccessKey"]
        secret = key["SecretAccessKey"]
        return Created(
            key["AccessKeyId"],
            {
                "secret": Secret(secret),
                "sesSmtpPasswordV4": Secret(_smtp_password(secret, self.aws.region)),
            },
        )

    def finish(self, known: Known) -> None:
        item = self._get(known)
        if item is not None and item["Status"] != known.inputs["status"]:
            self.client.update_access_key(
                UserName=known.inputs["user"],
                AccessKeyId=known.id,
                Status=known.inputs["status"],
            )

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
        told = {key: known.outputs[key] for key in _TOLD_ONCE if key in known.outputs}
        return {
            "user": item["UserName"],
            "status": item["Status"],
            "createDate": item["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
            **told,
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        """`finish`, which follows, sets the status."""

    def delete(self, known: Known) -> None:
        self.client.delete_access_key(UserName=known.get("user"), AccessKeyId=known.id)


def _smtp_password(secret: str, region: str) -> str:
    """The password for SES's SMTP door, by the algorithm that AWS documents."""
    signature = f"AWS4{secret}".encode()
    for part in ("11111111", region, "ses", "aws4_request", "SendRawEmail"):
        signature = hmac.new(signature, part.encode(), hashlib.sha256).digest()
    return base64.b64encode(b"\x04" + signature).decode()

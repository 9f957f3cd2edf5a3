"""The resource ARNs of KMS calls, for IAM policies that name resources.

AWS asks for the key that an alias stands for; MiniStack takes the alias itself, and `*` for calls that
are about aliases.
"""

from typing import Any

from sandbox.aws.standin import emulator, internals
from sandbox.aws.standin.internals import records

ABOUT_ALIASES = ("CreateAlias", "DeleteAlias", "UpdateAlias")


def install() -> None:
    internals.replace_json_resources("kms", resource_of)


def resource_of(action: str, asked: dict[str, Any]) -> str | None:
    """The ARN that a call is about; None to leave it to MiniStack."""
    if action in ABOUT_ALIASES:
        # AWS asks twice, for the alias and for the key; this is the half that policies limit.
        return _arn(str(asked.get("AliasName", "")))
    key = str(asked.get("KeyId", ""))
    if key.startswith("alias/"):
        stood_for = records("kms").aliases.get(_arn(key))
        return _arn(f"key/{stood_for}") if stood_for else None
    return None


def _arn(name: str) -> str:
    return f"arn:aws:kms:{emulator.region()}:{emulator.account()}:{name}"

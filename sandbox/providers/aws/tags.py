"""Tags between Pulumi's map and the forms that AWS's services use."""

from collections.abc import Iterable, Mapping
from typing import Any

_FORMER_MARKER = "aerodrome-sandbox:request"
"""On what earlier versions of this stand-in made: no tag of the program's."""


def to_list(tags: Mapping[str, str] | None, key: str = "Key", value: str = "Value") -> Any:
    """[{Key, Value}], as EC2, IAM, ECR and S3 write it; other services name them otherwise."""
    return [{key: k, value: v} for k, v in (tags or {}).items()]


def from_list(
    tags: Iterable[Mapping[str, str]] | None, key: str = "Key", value: str = "Value"
) -> dict[str, str]:
    """The map behind a list, without what is not the program's."""
    return visible({tag[key]: tag[value] for tag in tags or ()})


def visible(tags: Mapping[str, str] | None) -> dict[str, str]:
    """Tags that a program set: not AWS's own."""
    return {
        key: value
        for key, value in sorted((tags or {}).items())
        if key != _FORMER_MARKER and not key.startswith("aws:")
    }

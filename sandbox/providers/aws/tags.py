"""Tags between Pulumi's map and the forms that AWS's services use."""

from collections.abc import Iterable, Mapping
from typing import Any

MARKER = "aerodrome-sandbox:request"
"""A tag of this stand-in's own, never shown to programs: the token of the creation. If the
engine is killed before it hears the answer, it asks again, and what was made is found."""


def to_list(tags: Mapping[str, str] | None, key: str = "Key", value: str = "Value") -> Any:
    """[{Key, Value}], as EC2, IAM, ECR and S3 write it; other services name them otherwise."""
    return [{key: k, value: v} for k, v in (tags or {}).items()]


def from_list(
    tags: Iterable[Mapping[str, str]] | None, key: str = "Key", value: str = "Value"
) -> dict[str, str]:
    """The map behind a list, without what is not the program's."""
    return visible({tag[key]: tag[value] for tag in tags or ()})


def visible(tags: Mapping[str, str] | None) -> dict[str, str]:
    """Tags that a program set: neither AWS's own nor the marker."""
    return {
        key: value
        for key, value in sorted((tags or {}).items())
        if key != MARKER and not key.startswith("aws:")
    }

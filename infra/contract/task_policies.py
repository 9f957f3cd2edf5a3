"""What tasks may do in AWS beyond their logs: the value of the setting `taskPolicies`.

A JSON list whose elements are ARNs of managed policies, or statements as they stand in a policy document.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::(aws|\d{12}):policy/\S+")

PARTS: Final = (
    "Sid",
    "Effect",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
)
"""Of a statement of a policy for roles. `Principal` is one of policies for buckets and the like."""

MOST_ARNS: Final = 10
"""As many as AWS attaches to a role unless asked for more."""


@dataclass(frozen=True)
class TaskPolicies:
    """What the value says."""

    arns: tuple[str, ...]
    statements: tuple[Mapping[str, Any], ...]


def parse(text: str) -> TaskPolicies:
    """The policies of a value. Raises ValueError: `must be ...`."""
    try:
        items = json.loads(text)
    except ValueError as error:
        raise ValueError(f"must be a JSON list ({error})") from error
    if not isinstance(items, list):
        raise ValueError("must be a JSON list of ARNs and statements")
    arns = tuple(item for item in items if isinstance(item, str))
    for arn in arns:
        if not ARN.fullmatch(arn):
            raise ValueError(f"must hold ARNs of IAM policies, not {arn!r}")
    if len(arns) > MOST_ARNS:
        raise ValueError(f"must hold {MOST_ARNS} ARNs at most: AWS attaches no more to a role")
    others = [(number, item) for number, item in enumerate(items, 1) if not isinstance(item, str)]
    for number, item in others:
        if wrong := _check_statement(item):
            raise ValueError(f"must hold statements of IAM: element {number} {wrong}")
    return TaskPolicies(arns, tuple(item for _, item in others))


def check(text: str) -> str | None:
    """What is wrong with a value, or nothing."""
    try:
        parse(text)
    except ValueError as error:
        return str(error)
    return None


def _check_statement(item: Any) -> str:
    if not isinstance(item, dict):
        return f"is {json.dumps(item)}, neither a text nor an object"
    if unknown := sorted(item.keys() - set(PARTS)):
        return f"has {', '.join(unknown)}; known are {', '.join(PARTS)}"
    if item.get("Effect") not in ("Allow", "Deny"):
        return 'needs "Effect": "Allow" or "Deny"'
    for one, other in (("Action", "NotAction"), ("Resource", "NotResource")):
        if (one in item) == (other in item):
            return f"needs {one} or {other}"
        value = item.get(one, item.get(other))
        texts = value if isinstance(value, list) else [value]
        if not texts or not all(isinstance(text, str) and text for text in texts):
            return f"needs a text or a list of texts in {one if one in item else other}"
    return ""

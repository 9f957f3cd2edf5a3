"""Tags that an organisation wants on everything, beside the kit's own: the setting `tags`."""

import json
import re
from typing import Final

MOST: Final = 35
"""AWS takes 50 for each thing: the kit, Pulumi, EKS and controllers in the cluster set some."""

_KEY = re.compile(r"[A-Za-z0-9 +\-=._:/@]{1,128}")
_VALUE = re.compile(r"[A-Za-z0-9 +\-=._:/@]{0,256}")
"""What all services take; EC2 would take more."""

_TAKEN = re.compile(r"(?i)(aws:|aerodrome:|karpenter\.|kubernetes\.io/|k8s\.|eks:).*|Name")


def check(text: str) -> str | None:
    """What is wrong with the tags, or nothing."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        return 'must be a JSON object of strings, such as {"CostCenter": "1234"}'
    if len(found) > MOST:
        return f"must have {MOST} tags at most, not {len(found)}"
    lower: set[str] = set()
    for key, value in found.items():
        if not _KEY.fullmatch(key) or not _VALUE.fullmatch(value):
            return (
                f"must have keys of 1 to 128 and values of at most 256 of A-Z a-z 0-9, blank and + - = . _ : / @, "
                f"not {key!r}: {value!r}"
            )
        if _TAKEN.fullmatch(key):
            return f"must leave out {key!r}: the kit, AWS or Kubernetes sets it"
        # IAM takes keys that differ in case alone for the same.
        if key.lower() in lower:
            return f"must not have {key!r} twice: IAM does not tell case"
        lower.add(key.lower())
    return None


def parse(text: str) -> dict[str, str]:
    """The tags of a setting that was checked."""
    return dict(json.loads(text))

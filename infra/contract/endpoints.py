"""The AWS services that the network may reach without its NAT gateways, by the setting's words."""

from collections.abc import Mapping
from typing import Final

GATEWAY: Final = "s3"
"""The one whose endpoint is an entry of route tables, which costs nothing."""

INTERFACES: Final[Mapping[str, tuple[str, ...]]] = {
    "ecr": ("ecr.api", "ecr.dkr"),
    "sts": ("sts",),
    "logs": ("logs",),
    # Session Manager: the agent of a node registers with the one, and sessions go through the other.
    "ssm": ("ssm", "ssmmessages"),
}
"""The others, which have an address in every zone: each with the names that AWS has for its endpoints."""


def check(values: tuple[str, ...]) -> str | None:
    """Known services, each once; ECR's layers come from S3, so that ECR's endpoints alone carry next to nothing."""
    known = (GATEWAY, *INTERFACES)
    for value in values:
        if value not in known:
            return f"must be a list of {', '.join(known)}, not {value!r}"
        if values.count(value) > 1:
            return f"must name each service once, not {value!r} twice"
    if "ecr" in values and GATEWAY not in values:
        return f"must have {GATEWAY} beside ecr: the layers of ECR's images are in S3"
    return None

"""From where a cluster's API is reached, and what leads there when that is only the inside of its VPC."""

from typing import Final

PUBLIC: Final = "public"
BOTH: Final = "both"
PRIVATE: Final = "private"
CHOICES: Final = (PUBLIC, BOTH, PRIVATE)
SETTING: Final = "endpointAccess"

DOCUMENT: Final = "AWS-StartPortForwardingSessionToRemoteHost"
"""Of Systems Manager, AWS's own: a port of the machine that opens a session leads to a host that the node reaches."""

REGISTERS_SECONDS: Final = 300
"""Within which a worker that has just been made must be online in Systems Manager; most take one minute, some three."""

NODE_TAG: Final = "eks:cluster-name"
"""EKS puts it on every instance of its node groups, with the cluster's name. Others' instances do not get it by the kit."""


def is_public(access: str) -> bool:
    """Whether the API has an address outside of the VPC."""
    return access != PRIVATE


def takes_sessions(access: str) -> bool:
    """Whether the workers lead to the API, by sessions of Systems Manager."""
    return access != PUBLIC

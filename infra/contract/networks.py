"""A VPC that is there already: the form of the settings that name it, and what they need of each other."""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

VPC: Final = "vpcId"
PRIVATE: Final = "privateSubnetIds"
PUBLIC: Final = "publicSubnetIds"

VPC_PATTERN: Final = r"(vpc-[0-9a-f]{8,17})?"
_SUBNET: Final = r"subnet-[0-9a-f]{8,17}"

SERVICES: Final = ("10.100.0.0/16", "172.20.0.0/16")
"""EKS takes one of them for the cluster's Services, that which is not in the VPC."""

FEWEST: Final = 2
"""Private subnets: EKS, and RDS as well, ask for two zones."""


def check_subnets(values: tuple[str, ...]) -> str | None:
    """Subnets by their ids, each once."""
    for value in values:
        if not re.fullmatch(_SUBNET, value):
            return f"must be a list of subnets such as subnet-0123456789abcdef0, not {value!r}"
        if values.count(value) > 1:
            return f"must name each subnet once, not {value!r} twice"
    return None


def misfits(settings: Mapping[str, Any], given: Collection[str]) -> list[tuple[str, str]]:
    """What is wrong with values that are right by themselves: the setting, and the words. `given`: those that are set."""
    private, public = settings[PRIVATE], settings[PUBLIC]
    if not settings[VPC]:
        return [
            (key, f"it counts with {VPC} only, which is not set")
            for key in (PRIVATE, PUBLIC)
            if settings[key]
        ]
    own = [key for key in ("vpcCidr", "natPerZone") if key in given and settings[key]]
    found = [
        (
            key,
            f"it describes a network that the environment makes, and {VPC} names one that is there",
        )
        for key in own
    ]
    if len(private) < FEWEST:
        found.append((PRIVATE, f"{VPC} needs private subnets in two zones at least"))
    if both := sorted({*private} & {*public}):
        found.append((PUBLIC, f"{both[0]} is in {PRIVATE}, too"))
    if settings["rancherEnabled"] and not public:
        found.append(
            (
                PUBLIC,
                "the Rancher server needs a public subnet: name one, or set rancherEnabled to false",
            )
        )
    return found

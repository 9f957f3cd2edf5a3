"""Which EC2 instance types the region offers, and how big they are.

MiniStack has every type that it is asked for, with 8 vCPUs, and does not know which zone offers it. Here the
common types exist, in all zones, with the size that their names say.
"""

import fnmatch
from collections.abc import Sequence

from sandbox.aws.standin import emulator, filters
from sandbox.aws.standin.call import Call
from sandbox.aws.standin.emulator import Answer

SIZES = {"large": 2, "xlarge": 4} | {f"{n}xlarge": 4 * n for n in (2, 4, 8, 12, 16, 24)}
SMALL = {"nano": 0.5, "micro": 1, "small": 2, "medium": 4}
"""Sizes that only the burstable families have: GiB of memory; each has 2 vCPUs."""

BURSTABLE = "t"
MEMORY = {"c": 2, "m": 4, "r": 8, BURSTABLE: 4}
"""GiB for each vCPU, by the first letter of the family."""

FAMILIES = "t3 t3a t4g m5 m5a m6a m6g m6i m7a m7g m7i m8g c5 c6a c6g c6i c7g c7i r5 r6g r6i r7g r7i"

ALL = [
    f"{family}.{size}"
    for family in FAMILIES.split()
    for size in (SMALL | SIZES if family[0] == BURSTABLE else SIZES)
]
ZONES = "abcdef"


def answer(call: Call, kinds: Sequence[str] = ALL) -> Answer | None:
    """The answer of the two calls about types, in a region that has `kinds`; None for another call."""
    match call.action:
        case "DescribeInstanceTypes":
            return _types(call, kinds)
        case "DescribeInstanceTypeOfferings":
            return _offerings(call, kinds)
    return None


def _types(call: Call, kinds: Sequence[str]) -> Answer:
    asked: list[str] = []
    while value := call.parameter(f"InstanceType.{len(asked) + 1}"):
        asked.append(value)
    wrong = [kind for kind in asked if kind not in kinds]
    if wrong:
        return emulator.ec2_error(
            "InvalidInstanceType",
            f"The following supplied instance types do not exist: [{', '.join(wrong)}]",
        )
    if set(filters.asked(call)):
        return emulator.ec2_error(
            "InvalidParameterValue", "The sandbox's DescribeInstanceTypes has no filters"
        )
    items = "".join(_type(kind) for kind in asked or kinds)
    return _xml(call, f"<instanceTypeSet>{items}</instanceTypeSet>")


def _type(kind: str) -> str:
    family, _, size = kind.partition(".")
    vcpus = SIZES.get(size, 2)
    memory = SMALL.get(size, vcpus * MEMORY[family[0]])
    architecture = "arm64" if family.endswith("g") else "x86_64"
    return (
        f"<item><instanceType>{kind}</instanceType><currentGeneration>true</currentGeneration>"
        f"<hypervisor>nitro</hypervisor><processorInfo><supportedArchitectures>"
        f"<item>{architecture}</item></supportedArchitectures></processorInfo>"
        f"<vCpuInfo><defaultVCpus>{vcpus}</defaultVCpus></vCpuInfo>"
        f"<memoryInfo><sizeInMiB>{int(memory * 1024)}</sizeInMiB></memoryInfo></item>"
    )


def _offerings(call: Call, kinds: Sequence[str]) -> Answer:
    by = call.parameter("LocationType") or "region"
    region = emulator.region()
    places = [f"{region}{zone}" for zone in ZONES] if by == "availability-zone" else [region]
    asked = filters.asked(call)
    unknown = asked.keys() - {"instance-type", "location"}
    if unknown or by not in ("region", "availability-zone"):
        return emulator.ec2_error(
            "InvalidParameterValue",
            f"The sandbox's DescribeInstanceTypeOfferings does not have {min(unknown, default=by)}",
        )
    items = "".join(
        f"<item><instanceType>{kind}</instanceType><locationType>{by}</locationType>"
        f"<location>{place}</location></item>"
        for kind in kinds
        if _passes(kind, asked.get("instance-type"))
        for place in places
        if _passes(place, asked.get("location"))
    )
    return _xml(call, f"<instanceTypeOfferingSet>{items}</instanceTypeOfferingSet>")


def _passes(value: str, patterns: list[str] | None) -> bool:
    return patterns is None or any(fnmatch.fnmatchcase(value, pattern) for pattern in patterns)


def _xml(call: Call, result: str) -> Answer:
    name = f"{call.action}Response"
    body = (
        f'<{name} xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
        f"<requestId>sandbox</requestId>{result}</{name}>"
    )
    return 200, {"Content-Type": "text/xml"}, body.encode()

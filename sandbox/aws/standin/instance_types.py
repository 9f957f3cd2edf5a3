"""Which EC2 instance types the region offers, how big they are, and what they cost on spot.

MiniStack has every type that it is asked for, with 8 vCPUs, and does not know which zone offers it. Here the
common types exist, in all zones, with the size that their names say, and prices that follow the size.
"""

import fnmatch
import time
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
    """The answer of the calls about types, in a region that has `kinds`; None for another call."""
    match call.action:
        case "DescribeSpotPriceHistory":
            return _spot_prices(call, kinds)
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
    rules = filters.asked(call)
    unknown = rules.keys() - {ARCHITECTURE, VIRTUALIZATION}
    if unknown:
        return emulator.ec2_error(
            "InvalidParameterValue",
            f"The sandbox's DescribeInstanceTypes does not have the filter {min(unknown)}",
        )
    items = "".join(
        _type(kind)
        for kind in asked or kinds
        if _passes(_architecture(kind), rules.get(ARCHITECTURE))
        and _passes("hvm", rules.get(VIRTUALIZATION))
    )
    return _xml(call, f"<instanceTypeSet>{items}</instanceTypeSet>")


ARCHITECTURE = "processor-info.supported-architecture"
VIRTUALIZATION = "supported-virtualization-type"


def _architecture(kind: str) -> str:
    return "arm64" if kind.partition(".")[0].endswith("g") else "x86_64"


def _size(kind: str) -> tuple[int, float]:
    """vCPUs, and GiB of memory."""
    family, _, size = kind.partition(".")
    vcpus = SIZES.get(size, 2)
    return vcpus, SMALL.get(size, vcpus * MEMORY[family[0]])


def price(kind: str) -> float:
    """USD for an hour on demand, about as AWS' follow the size."""
    vcpus, memory = _size(kind)
    return round(0.032 * vcpus + 0.004 * memory, 4)


SPOT_SHARE = 0.4


def _spot_prices(call: Call, kinds: Sequence[str]) -> Answer:
    """Those of this moment, which no longer history adds to here."""
    if filters.asked(call) or call.parameter("InstanceType.1"):
        return emulator.ec2_error(
            "InvalidParameterValue", "The sandbox's DescribeSpotPriceHistory has no filters"
        )
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    items = "".join(
        f"<item><instanceType>{kind}</instanceType><productDescription>Linux/UNIX</productDescription>"
        f"<spotPrice>{SPOT_SHARE * price(kind):.6f}</spotPrice><timestamp>{now}</timestamp>"
        f"<availabilityZone>{emulator.region()}{zone}</availabilityZone></item>"
        for kind in kinds
        for zone in ZONES
    )
    return _xml(call, f"<spotPriceHistorySet>{items}</spotPriceHistorySet>")


INTERFACES = {"nano": (2, 2), "micro": (2, 2), "small": (3, 4), "medium": (3, 6), "large": (3, 10)}
"""By size the network interfaces, and the addresses of each; of those in between 4 and 15."""

LARGEST = (8, 30)


def _type(kind: str) -> str:
    vcpus, memory = _size(kind)
    size = kind.partition(".")[2]
    interfaces, addresses = INTERFACES.get(size, (4, 15) if vcpus <= 8 else LARGEST)
    return (
        f"<item><instanceType>{kind}</instanceType><currentGeneration>true</currentGeneration>"
        "<supportedUsageClasses><item>on-demand</item><item>spot</item></supportedUsageClasses>"
        "<supportedVirtualizationTypes><item>hvm</item></supportedVirtualizationTypes>"
        "<bareMetal>false</bareMetal><hypervisor>nitro</hypervisor>"
        f"<processorInfo><supportedArchitectures><item>{_architecture(kind)}</item>"
        "</supportedArchitectures></processorInfo>"
        f"<vCpuInfo><defaultVCpus>{vcpus}</defaultVCpus></vCpuInfo>"
        f"<memoryInfo><sizeInMiB>{int(memory * 1024)}</sizeInMiB></memoryInfo>"
        f"<networkInfo><maximumNetworkInterfaces>{interfaces}</maximumNetworkInterfaces>"
        "<maximumNetworkCards>1</maximumNetworkCards><defaultNetworkCardIndex>0</defaultNetworkCardIndex>"
        f"<networkCards><item><networkCardIndex>0</networkCardIndex>"
        f"<maximumNetworkInterfaces>{interfaces}</maximumNetworkInterfaces></item></networkCards>"
        f"<ipv4AddressesPerInterface>{addresses}</ipv4AddressesPerInterface>"
        "<encryptionInTransitSupported>true</encryptionInTransitSupported></networkInfo></item>"
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

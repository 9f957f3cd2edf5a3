"""Which EC2 instance types the region offers, and how big they are.

MiniStack has every type that it is asked for, with 8 vCPUs. Here the common types exist, with
the size that their names say; `account.json` can take one away.
"""

import fnmatch
from pathlib import Path

from sandbox.aws.standin import emulator, filters
from sandbox.aws.standin.call import Call, Handler
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.services import Services
from tests.aws.standin.account import Account

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

UNNAMED = "m1.small"
"""What EC2 takes if a launch names no type."""


def register(services: Services) -> None:
    state = services.settings.state
    services.wrap("ec2", lambda inner: handler(inner, state))


def handler(inner: Handler, state: Path) -> Handler:
    async def answer(call: Call) -> Answer:
        match call.action:
            case "DescribeInstanceTypes":
                return _types(call, state)
            case "DescribeInstanceTypeOfferings":
                return _offerings(call, state)
        return refusal(call, state) or await inner(call)

    return answer


def refusal(call: Call, state: Path) -> Answer | None:
    """EC2's error for an instance of a type that is not there."""
    if call.action == "RunInstances":
        kind = call.parameter("InstanceType")
        if kind not in ("", UNNAMED) and not offered(kind, state):
            return emulator.ec2_error(
                "Unsupported",
                f"Your requested instance type ({kind}) is not supported in your requested "
                "Availability Zone.",
            )
    return None


def offered(kind: str, state: Path) -> bool:
    return kind in ALL and kind not in Account.read(state).missing_types


def _all(state: Path) -> list[str]:
    missing = Account.read(state).missing_types
    return [kind for kind in ALL if kind not in missing]


def _types(call: Call, state: Path) -> Answer:
    asked: list[str] = []
    while value := call.parameter(f"InstanceType.{len(asked) + 1}"):
        asked.append(value)
    wrong = [kind for kind in asked if not offered(kind, state)]
    if wrong:
        return emulator.ec2_error(
            "InvalidInstanceType",
            f"The following supplied instance types do not exist: [{', '.join(wrong)}]",
        )
    if set(filters.asked(call)):
        return emulator.ec2_error(
            "InvalidParameterValue", "The sandbox's DescribeInstanceTypes has no filters"
        )
    items = "".join(_type(kind) for kind in asked or _all(state))
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


def _offerings(call: Call, state: Path) -> Answer:
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
        for kind in _all(state)
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

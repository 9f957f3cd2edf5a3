"""Instance types: each zone that is used has one, the region has all, and their processor is that of the images.

Nothing here changes anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cli.base.errors import UserError
from cli.cloud.resource import Client, everything
from cli.operations.preflight.refusal import Refusal
from infra.contract.sizes import ARCHITECTURE, ZONES, zones

NODES = "nodeInstanceTypes"
TASK_NODES = "taskNodeTypes"
RANCHER = "rancherInstanceType"

_MOST = 100
"""As many types as one call takes."""


@dataclass(frozen=True)
class TypeRequest:
    """Instances of one purpose: in each of the zones one of the types must be there."""

    setting: str
    types: Sequence[str]
    first_zone_only: bool = False
    zones: Sequence[str] = ()
    """Those of an existing VPC's subnets; empty: the region's first."""


def check(client: Client, region: str, requests: Sequence[TypeRequest]) -> Refusal | None:
    """Why the first of the requests that will not do does not. UserError if the region has too few zones."""
    used = _zones(client, region)
    for request in requests:
        places = list(request.zones) or (used[:1] if request.first_zone_only else used)
        refused = _not_offered(client, region, request, places)
        refused = refused or _other_processor(client, request, places)
        if refused:
            return refused
    return None


def _zones(client: Client, region: str) -> list[str]:
    answer = client("ec2").describe_availability_zones(
        Filters=[
            {"Name": "state", "Values": ["available"]},
            {"Name": "opt-in-status", "Values": ["opt-in-not-required"]},
        ]
    )
    found = zones(str(zone["ZoneName"]) for zone in answer["AvailabilityZones"])
    if len(found) < ZONES:
        raise UserError(
            f"The region {region} has too few zones for an EKS cluster",
            f"Two are needed; available are: {', '.join(found) or 'none'}.",
        )
    return found


def _not_offered(
    client: Client, region: str, request: TypeRequest, places: Sequence[str]
) -> Refusal | None:
    offered = _offered(client, request.types)
    for zone in places:
        if not any((kind, zone) in offered for kind in request.types):
            return _refusal(
                client, request, zone, f"{' and '.join(request.types)} cannot be had in {zone}"
            )
    # EKS refuses a node group for one type that does not exist, whatever the others are.
    anywhere = {kind for kind, _ in offered}
    for kind in request.types:
        if kind not in anywhere:
            return _refusal(client, request, places[0], f"{kind} cannot be had in {region}")
    return None


def _other_processor(client: Client, request: TypeRequest, places: Sequence[str]) -> Refusal | None:
    for kind, architectures in _architectures(client, request.types).items():
        if ARCHITECTURE not in architectures:
            return _refusal(
                client,
                request,
                places[0],
                f"{kind} has another processor ({', '.join(architectures)}) than the images ({ARCHITECTURE})",
            )
    return None


def _refusal(client: Client, request: TypeRequest, zone: str, summary: str) -> Refusal:
    others = _alike(client, request, zone)
    value = others[0] if others else ""
    if value and request.setting in (NODES, TASK_NODES):
        value = f'["{value}"]'
    detail = f'The setting "{request.setting}" asks for it.'
    if others:
        detail += f" Of the same size, there are: {', '.join(others)}."
    return Refusal(summary, detail, request.setting, value)


def _offered(client: Client, patterns: Sequence[str]) -> set[tuple[str, str]]:
    """Instance types with the zones that have them; a pattern may hold `*`."""
    found = everything(
        client("ec2"),
        "describe_instance_type_offerings",
        "InstanceTypeOfferings",
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": list(patterns)}],
    )
    return {(str(item["InstanceType"]), str(item["Location"])) for item in found}


def _architectures(client: Client, kinds: Sequence[str]) -> dict[str, list[str]]:
    """What each of these types, which must exist, runs."""
    answer = client("ec2").describe_instance_types(InstanceTypes=sorted(set(kinds)))
    return {
        str(item["InstanceType"]): [
            str(each) for each in item["ProcessorInfo"]["SupportedArchitectures"]
        ]
        for item in answer["InstanceTypes"]
    }


def _alike(client: Client, request: TypeRequest, zone: str) -> list[str]:
    """Types of the same size and kind that the zone has and the images run on, the newest first."""
    family, _, size = request.types[0].partition(".")
    found = {kind for kind, place in _offered(client, [f"{family[:1]}*.{size}"]) if place == zone}
    if not found:
        return []
    runs = _architectures(client, sorted(found)[:_MOST])
    names = sorted(kind for kind, architectures in runs.items() if ARCHITECTURE in architectures)
    return sorted(names, key=_generation, reverse=True)[:5]


def _generation(kind: str) -> str:
    return "".join(letter for letter in kind.partition(".")[0] if letter.isdigit())

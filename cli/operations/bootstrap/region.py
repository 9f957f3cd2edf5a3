"""The region: that it exists, is enabled for the account, and has the instance types that are wanted.

Nothing here changes anything.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cli.base.errors import UserError
from cli.base.settings import REGION_KEY
from cli.operations.bootstrap.aws import Aws
from cli.operations.bootstrap.requested_settings import RequestedSettings
from infra.contract.sizes import ZONES, zones


def check_name(aws: Aws, requested: RequestedSettings, environment: str) -> None:
    """UserError if there is no such region, or if the environment is in another one already."""
    known = aws.regions()
    if aws.region not in known:
        near = difflib.get_close_matches(aws.region, known, n=3)
        raise UserError(
            f'There is no AWS region "{aws.region}"',
            f"Did you mean {', '.join(near)}?" if near else "Such as eu-central-1 or us-east-1.",
        )
    configured = requested.configured.get(REGION_KEY)
    if configured and configured != aws.region:
        raise UserError(
            f'Environment "{environment}" is in {configured}, not in {aws.region}',
            f"Its configuration says so (Pulumi.{environment}.yaml). An environment does not move: give\n"
            "the new one another name.",
            f"./aerodrome bootstrap {environment} --region {configured}",
        )


def check_enabled(aws: Aws) -> None:
    """UserError if the account has not opted in to the region."""
    answer = aws.client("ec2", aws.home).describe_regions(RegionNames=[aws.region], AllRegions=True)
    if any(item.get("OptInStatus") == "not-opted-in" for item in answer["Regions"]):
        raise UserError(
            f"The account has not enabled the region {aws.region}",
            "Somebody who administers the account can; it takes some minutes.",
            f"aws account enable-region --region-name {aws.region}",
        )


@dataclass(frozen=True)
class Wanted:
    """Instances of one purpose: in each of the zones one of the types must be there."""

    setting: str
    types: Sequence[str]
    zones: Sequence[str]


def check_instance_types(aws: Aws, requested: RequestedSettings) -> None:
    """UserError if a zone that will be used has none of the instance types that are wanted."""
    used = _zones(aws)
    wanted = [Wanted("nodeInstanceTypes", requested.value("nodeInstanceTypes"), used)]
    if requested.value("rancherEnabled"):
        kind = requested.value("rancherInstanceType")
        wanted.append(Wanted("rancherInstanceType", [kind], used[:1]))
    for want in wanted:
        offered = _offered(aws, want.types)
        for zone in want.zones:
            if not any((kind, zone) in offered for kind in want.types):
                raise _missing(aws, want, zone)


def _zones(aws: Aws) -> list[str]:
    answer = aws.client("ec2").describe_availability_zones(
        Filters=[
            {"Name": "state", "Values": ["available"]},
            {"Name": "opt-in-status", "Values": ["opt-in-not-required"]},
        ]
    )
    found = zones(str(zone["ZoneName"]) for zone in answer["AvailabilityZones"])
    if len(found) < ZONES:
        raise UserError(
            f"The region {aws.region} has too few zones for an EKS cluster",
            f"Two are needed; available are: {', '.join(found) or 'none'}.",
        )
    return found


def _offered(aws: Aws, patterns: Sequence[str]) -> set[tuple[str, str]]:
    """Instance types with the zones that have them; a pattern may hold `*`."""
    pages = (
        aws.client("ec2")
        .get_paginator("describe_instance_type_offerings")
        .paginate(
            LocationType="availability-zone",
            Filters=[{"Name": "instance-type", "Values": list(patterns)}],
        )
    )
    return {
        (str(item["InstanceType"]), str(item["Location"]))
        for page in pages
        for item in page["InstanceTypeOfferings"]
    }


def _missing(aws: Aws, want: Wanted, zone: str) -> UserError:
    others = _alike(aws, want, zone)
    value: Any = others[0] if others else "TYPE"
    text = f'["{value}"]' if want.setting == "nodeInstanceTypes" else value
    return UserError(
        f"{' and '.join(want.types)} cannot be had in {zone}",
        f'The setting "{want.setting}" asks for it. '
        + (f"Of the same size, there are: {', '.join(others)}." if others else "")
        + "\nAdd to the command, for example:",
        f"--set '{want.setting}={text}'",
    )


def _alike(aws: Aws, want: Wanted, zone: str) -> list[str]:
    """Types of the same size and kind that the zone has, the newest first."""
    family, _, size = want.types[0].partition(".")
    found = _offered(aws, [f"{family[0]}*.{size}"])
    # The program's images are for this processor; a `g` after the generation means another.
    names = sorted(kind for kind, place in found if place == zone and not _is_arm(kind))
    return sorted(names, key=_generation, reverse=True)[:5]


def _is_arm(kind: str) -> bool:
    return "g" in kind.partition(".")[0][1:]


def _generation(kind: str) -> str:
    return "".join(letter for letter in kind.partition(".")[0] if letter.isdigit())

"""Instances by fleet and launch template: one instant fleet is one launch, from the cheapest pool that there is.

MiniStack spreads a fleet over all pools and leaves out of its instances what the template says of disks, groups and
metadata. Here a fleet becomes the RunInstances that it amounts to, and the answer says which pool it was, as AWS' does.
Of fleets that stay (`maintain`, `request`) there are none, nor of RunInstances with a template, but as a dry run.
"""

import itertools
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from sandbox.aws.standin import emulator, instance_types, launch_rights
from sandbox.aws.standin.call import Call
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.internals import records

SPOT = "SpotInstanceRequestId"
"""Of an instance record: the request that a spot instance stands for."""

FLEET = "FleetId"
"""The fleet that launched it."""


@dataclass(frozen=True)
class Pool:
    """An override of a fleet: a type in a subnet, with the template that says the rest."""

    template: Mapping[str, Any]
    kind: str
    subnet: str
    image: str

    @property
    def zone(self) -> str:
        return str(records("ec2").subnets[self.subnet]["AvailabilityZone"])


@dataclass(frozen=True)
class Fleet:
    """An instant fleet, and the launch that it amounts to."""

    pool: Pool
    spot: bool
    launch: Call


def refusal(call: Call) -> Answer | None:
    """EC2's error for what is not there, and its answer to a dry run."""
    asked = launch_rights.parameters(call)
    wrong = _wrong(asked) if call.action in launch_rights.LAUNCHES else _unknown(call, asked)
    if wrong:
        return wrong
    if call.parameter("DryRun") == "true":
        return emulator.ec2_error(
            "DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412
        )
    if call.action == "RunInstances" and _names_template(asked):
        return _not_here("RunInstances with a launch template")
    if call.action == "CreateFleet" and call.parameter("Type") != "instant":
        return _not_here("a fleet that is not instant")
    return None


def _unknown(call: Call, asked: Mapping[str, str]) -> Answer | None:
    """Of a template that there is not, EC2 has no empty list."""
    if call.action != "DescribeLaunchTemplates":
        return None
    names = launch_rights.listed(asked, "LaunchTemplateName")
    if any(launch_rights.template_of(name) is None for name in names):
        return _no_template("Name")
    keys = launch_rights.listed(asked, "LaunchTemplateId")
    if any(launch_rights.template_of("", key) is None for key in keys):
        return _no_template("Id")
    return None


def _no_template(member: str) -> Answer:
    return emulator.ec2_error(
        f"InvalidLaunchTemplate{member}.NotFoundException",
        "At least one of the launch templates specified in the request does not exist.",
    )


def _not_here(what: str) -> Answer:
    return emulator.ec2_error("UnsupportedOperation", f"The sandbox does not have {what}.")


def _names_template(asked: Mapping[str, str]) -> bool:
    return any(key.startswith("LaunchTemplate.") for key in asked)


def _wrong(asked: Mapping[str, str]) -> Answer | None:
    templates = launch_rights.templates_of(asked)
    if not templates and (asked["Action"] == "CreateFleet" or _names_template(asked)):
        return _no_template("Name")
    profiles = records("iam").instance_profiles
    arns = {known["Arn"] for known in profiles.values()}
    for template in templates:
        profile = launch_rights.newest(template).get("IamInstanceProfile", {})
        name = profile.get("Name") or profile.get("Arn")
        if name and name not in profiles and name not in arns:
            return emulator.ec2_error(
                "InvalidParameterValue",
                f"Value ({name}) for parameter iamInstanceProfile.name is invalid. "
                "Invalid IAM Instance Profile name",
            )
    return None


def planned(call: Call) -> Fleet | Answer:
    """What a fleet amounts to; an answer without instances where no pool of it is to be had."""
    asked = launch_rights.parameters(call)
    pools = _pools(asked)
    if not pools:
        return unfulfilled(call)
    # Of one price, the first that was named.
    pool = min(pools, key=lambda each: instance_types.price(each.kind))
    capacity = "TargetCapacitySpecification"
    count = int(asked.get(f"{capacity}.TotalTargetCapacity") or 1)
    spot = asked.get(f"{capacity}.DefaultTargetCapacityType") == "spot"
    form = urlencode(_launch(asked, pool, count)).encode()
    headers = {**call.headers, "content-type": "application/x-www-form-urlencoded"}
    return Fleet(pool, spot, replace(call, body=form, query={}, headers=headers))


@dataclass(frozen=True)
class Override:
    """One of a fleet's overrides: `prefix` is that of its parameters, `config` that of its launch template's."""

    asked: Mapping[str, str]
    config: str
    prefix: str

    def of(self, parameter: str) -> str:
        return self.asked.get(f"{self.prefix}.{parameter}", "")


def _overrides(asked: Mapping[str, str]) -> Iterator[Override]:
    """Of all launch templates: Karpenter has one for each number of pods that its types hold."""
    for number in itertools.count(1):
        config = f"LaunchTemplateConfigs.{number}"
        if not any(key.startswith(f"{config}.") for key in asked):
            return
        for place in itertools.count(1):
            override = Override(asked, config, f"{config}.Overrides.{place}")
            if not override.of("InstanceType"):
                break
            yield override


def _pools(asked: Mapping[str, str]) -> list[Pool]:
    found: list[Pool] = []
    for override in _overrides(asked):
        named = f"{override.config}.LaunchTemplateSpecification"
        template = launch_rights.template_of(
            asked.get(f"{named}.LaunchTemplateName", ""), asked.get(f"{named}.LaunchTemplateId", "")
        )
        kind, subnet = override.of("InstanceType"), override.of("SubnetId")
        if template and kind in instance_types.ALL and subnet in records("ec2").subnets:
            image = override.of("ImageId") or launch_rights.newest(template).get("ImageId", "")
            found.append(Pool(template, kind, subnet, image))
    return found


def _launch(asked: Mapping[str, str], pool: Pool, count: int) -> dict[str, str]:
    """The parameters of RunInstances."""
    data = launch_rights.newest(pool.template)
    found = {
        "Action": "RunInstances",
        "ImageId": pool.image,
        "InstanceType": pool.kind,
        "SubnetId": pool.subnet,
        "MinCount": str(count),
        "MaxCount": str(count),
        "UserData": data.get("UserData", ""),
    }
    for number, group in enumerate(launch_rights.groups_of(data), 1):
        found[f"SecurityGroupId.{number}"] = group
    for member, value in data.get("IamInstanceProfile", {}).items():
        found[f"IamInstanceProfile.{member}"] = value
    for member, value in data.get("MetadataOptions", {}).items():
        found[f"MetadataOptions.{member}"] = str(value)
    for mapping in data.get("BlockDeviceMappings", [])[:1]:
        for member, value in mapping.get("Ebs", {}).items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            found[f"BlockDeviceMapping.1.Ebs.{member}"] = text
    tags = launch_rights.tags_by_kind(asked)
    for number, kind in enumerate(("instance", "volume"), 1):
        found[f"TagSpecification.{number}.ResourceType"] = kind
        for place, (key, value) in enumerate(tags.get(kind, {}).items(), 1):
            found[f"TagSpecification.{number}.Tag.{place}.Key"] = key
            found[f"TagSpecification.{number}.Tag.{place}.Value"] = value
    return found


def fulfilled(fleet: Fleet, launched: bytes) -> Answer:
    """The answer to CreateFleet, from that of its launch."""
    pool, ec2 = fleet.pool, records("ec2")
    instances = re.findall(r"<instanceId>(i-[0-9a-f]+)</instanceId>", launched.decode())
    name = f"fleet-{secrets.token_hex(4)}-{secrets.token_hex(8)}"
    for key in instances:
        ec2.instances[key][FLEET] = name
        if fleet.spot:
            ec2.instances[key][SPOT] = f"sir-{secrets.token_hex(4)}"
    items = "".join(f"<item>{key}</item>" for key in instances)
    answer = (
        "<fleetInstanceSet><item><launchTemplateAndOverrides><launchTemplateSpecification>"
        f"<launchTemplateId>{pool.template['LaunchTemplateId']}</launchTemplateId>"
        f"<launchTemplateName>{pool.template['LaunchTemplateName']}</launchTemplateName>"
        "<version>1</version></launchTemplateSpecification>"
        f"<overrides><instanceType>{pool.kind}</instanceType><subnetId>{pool.subnet}</subnetId>"
        f"<availabilityZone>{pool.zone}</availabilityZone><imageId>{pool.image}</imageId></overrides>"
        f"</launchTemplateAndOverrides><lifecycle>{'spot' if fleet.spot else 'on-demand'}</lifecycle>"
        f"<instanceIds>{items}</instanceIds><instanceType>{pool.kind}</instanceType></item>"
        "</fleetInstanceSet><errorSet/>"
    )
    return _answer(name, answer)


def unfulfilled(call: Call) -> Answer:
    """The answer to CreateFleet where there is no capacity: an error for each pool that was asked for."""
    errors = ""
    for override in _overrides(launch_rights.parameters(call)):
        kind, zone = override.of("InstanceType"), override.of("AvailabilityZone")
        errors += (
            f"<item><launchTemplateAndOverrides><overrides><instanceType>{kind}</instanceType>"
            f"<subnetId>{override.of('SubnetId')}</subnetId><availabilityZone>{zone}</availabilityZone></overrides>"
            "</launchTemplateAndOverrides><errorCode>InsufficientInstanceCapacity</errorCode>"
            f"<errorMessage>There is no capacity for {kind} in {zone}.</errorMessage></item>"
        )
    name = f"fleet-{secrets.token_hex(4)}-{secrets.token_hex(8)}"
    return _answer(name, f"<fleetInstanceSet/><errorSet>{errors}</errorSet>")


def with_user_data(call: Call, body: bytes) -> bytes:
    """The user data of an instance that a fleet launched: MiniStack tells nobody's. That of others can be changed,
    which MiniStack does not keep."""
    instance = records("ec2").instances[call.parameter("InstanceId")]
    if call.parameter("Attribute") != "userData" or FLEET not in instance:
        return body
    told = f"<userData><value>{instance['UserData']}</value></userData>"
    return body.replace(b"<userData/>", told.encode())


def _answer(fleet: str, result: str) -> Answer:
    body = (
        '<CreateFleetResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
        f"<requestId>sandbox</requestId><fleetId>{fleet}</fleetId>{result}</CreateFleetResponse>"
    )
    return 200, {"Content-Type": "text/xml"}, body.encode()

"""EC2: refusals, and the parts of instances, NAT gateways and others that MiniStack leaves out."""

import asyncio
import re
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any
from urllib.parse import parse_qs

from sandbox.aws.standin import (
    dependencies,
    endpoints,
    filters,
    instance_types,
    launch_rights,
    launches,
)
from sandbox.aws.standin.call import Call, Handler
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.internals import records
from sandbox.aws.standin.tokens import Tokens

VOLUME_FIELDS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "VolumeSize": ("Size", int),
    "VolumeType": ("VolumeType", str),
    "Iops": ("Iops", int),
    "Throughput": ("Throughput", int),
    "KmsKeyId": ("KmsKeyId", str),
    "Encrypted": ("Encrypted", lambda text: text == "true"),
}
METADATA_FIELDS = {
    "HttpTokens": "optional",
    "HttpEndpoint": "enabled",
    "HttpPutResponseHopLimit": "1",
    "InstanceMetadataTags": "disabled",
    "HttpProtocolIpv6": "disabled",
}
"""Members of MetadataOptions and EC2's defaults."""


UNTAGGED = {"network_interfaces": "network-interface", "flow_logs": "vpc-flow-log"}
"""MiniStack's stores of what it makes without the tags that the request gives."""

STORES = ("instances", "nat_gateways", "vpc_endpoints", *UNTAGGED)


def handler(inner: Handler) -> Handler:
    tokens, launching = Tokens(), asyncio.Lock()
    launch_rights.install()

    async def answer(call: Call) -> Answer:
        early = (
            launch_rights.refusal(call)
            or tokens.answer(call)
            or dependencies.check(call)
            or endpoints.check(call)
            or filters.refusal(call)
            or launches.refusal(call)
            or instance_types.answer(call)
        )
        if early:
            return early
        fleet = launches.planned(call) if call.action == "CreateFleet" else None
        if isinstance(fleet, tuple):
            return fleet
        # What is new afterwards is told from what was there before: one launch at a time.
        async with launching if call.action in launch_rights.LAUNCHES else nullcontext():
            result = await done(fleet.launch if fleet else call)
        if result[0] < 300:
            result = launches.fulfilled(fleet, result[2]) if fleet else result
            tokens.note(call, result)
        return result

    async def done(call: Call) -> Answer:
        ec2 = records("ec2")
        before = {name: set(getattr(ec2, name)) for name in STORES}
        status, headers, body = await inner(call)
        if status >= 300:
            return status, headers, body
        new = {name: set(getattr(ec2, name)) - before[name] for name in STORES}
        for instance in new["instances"]:
            _complete_instance(call, ec2.instances[instance])
        for gateway in new["nat_gateways"]:
            _take_address(ec2.nat_gateways[gateway])
        for store, kind in UNTAGGED.items():
            for key in new[store]:
                ec2.tags[key] = tags_of_request(call.body, kind)
        body = endpoints.follow(call, new["vpc_endpoints"], body)
        match call.action:
            case "TerminateInstances":
                _clean_after_instances()
            case "DeleteNatGateway":
                _free_address(call.parameter("NatGatewayId"))
            case "AssociateAddress":
                _show_address(call)
            case "RunInstances" | "DescribeInstances":
                body = _with_more(body)
            case "DescribeInstanceAttribute":
                body = launches.with_user_data(call, body)
            case "CreateNatGateway" | "DescribeNatGateways":
                body = _with_addresses(body)
        return status, headers, filters.narrow(call, body)

    return answer


def _complete_instance(call: Call, instance: dict[str, Any]) -> None:
    """Zone, metadata options and root volume as the launch asked for them."""
    ec2 = records("ec2")
    subnet = ec2.subnets.get(instance["SubnetId"])
    if subnet:
        instance["Placement"]["AvailabilityZone"] = subnet["AvailabilityZone"]
    instance["MetadataOptions"] = {
        name: call.parameter(f"MetadataOptions.{name}") or default
        for name, default in METADATA_FIELDS.items()
    }
    for mapping in instance["BlockDeviceMappings"]:
        volume = ec2.volumes[mapping["Ebs"]["VolumeId"]]
        volume["AvailabilityZone"] = instance["Placement"]["AvailabilityZone"]
        _complete_volume(call, volume, mapping["Ebs"])


def _complete_volume(call: Call, volume: dict[str, Any], mapping: dict[str, Any]) -> None:
    for asked, (name, convert) in VOLUME_FIELDS.items():
        value = call.parameter(f"BlockDeviceMapping.1.Ebs.{asked}")
        if value:
            volume[name] = convert(value)
    if call.parameter("BlockDeviceMapping.1.Ebs.DeleteOnTermination") == "false":
        mapping["DeleteOnTermination"] = False
        for attachment in volume["Attachments"]:
            attachment["DeleteOnTermination"] = False
    tags = tags_of_request(call.body, "volume")
    if tags:
        records("ec2").tags[volume["VolumeId"]] = tags


def _clean_after_instances() -> None:
    """Volumes that go with their instance, and addresses that led to it."""
    ec2 = records("ec2")
    for key, instance in ec2.instances.items():
        if instance["State"]["Name"] != "terminated":
            continue
        for mapping in instance.pop("BlockDeviceMappings", []):
            if mapping["Ebs"]["DeleteOnTermination"]:
                ec2.volumes.pop(mapping["Ebs"]["VolumeId"], None)
                ec2.tags.pop(mapping["Ebs"]["VolumeId"], None)
        for address in ec2.addresses.values():
            if address["InstanceId"] == key:
                address["AssociationId"] = address["InstanceId"] = None


def _take_address(gateway: dict[str, Any]) -> None:
    address = records("ec2").addresses.get(gateway["AllocationId"])
    if address:
        address["AssociationId"] = f"eipassoc-{gateway['NatGatewayId'].removeprefix('nat-')}"


def _free_address(gateway: str) -> None:
    ec2 = records("ec2")
    address = ec2.addresses.get(ec2.nat_gateways[gateway]["AllocationId"])
    if address:
        address["AssociationId"] = None


def _show_address(call: Call) -> None:
    ec2 = records("ec2")
    instance = ec2.instances.get(call.parameter("InstanceId"))
    if instance:
        instance["PublicIpAddress"] = ec2.addresses[call.parameter("AllocationId")]["PublicIp"]


def _with_addresses(body: bytes) -> bytes:
    """MiniStack answers an empty set of addresses for every NAT gateway."""
    ec2 = records("ec2")

    def filled(found: re.Match[str]) -> str:
        gateway = ec2.nat_gateways[found[1]]
        address = ec2.addresses.get(gateway["AllocationId"])
        if address is None:
            return found[0]
        item = (
            f"<item><allocationId>{address['AllocationId']}</allocationId>"
            f"<publicIp>{address['PublicIp']}</publicIp><isPrimary>true</isPrimary>"
            f"<status>succeeded</status></item>"
        )
        return f"{found[0][: -len('<natGatewayAddressSet/>')]}" + (
            f"<natGatewayAddressSet>{item}</natGatewayAddressSet>"
        )

    pattern = r"<natGatewayId>(nat-[0-9a-fA-F]+)</natGatewayId>.*?<natGatewayAddressSet/>"
    return re.sub(pattern, filled, body.decode(), flags=re.DOTALL).encode()


def _with_more(body: bytes) -> bytes:
    """MiniStack keeps the metadata options of an instance, and shows none; of spot it does not know."""
    instances = records("ec2").instances

    def followed(found: re.Match[str]) -> str:
        instance = instances[found[1]]
        members = "".join(
            f"<{name[0].lower()}{name[1:]}>{value}</{name[0].lower()}{name[1:]}>"
            for name, value in instance.get("MetadataOptions", {}).items()
        )
        options = f"<metadataOptions><state>applied</state>{members}</metadataOptions>"
        request = instance.get(launches.SPOT)
        spot = (
            f"<spotInstanceRequestId>{request}</spotInstanceRequestId>"
            "<instanceLifecycle>spot</instanceLifecycle>"
            if request
            else ""
        )
        return f"{found[0]}{options}{spot}"

    # Only an instance's own id is followed by its image.
    pattern = r"<instanceId>(i-[0-9a-fA-F]+)</instanceId>(?=\s*<imageId>)"
    return re.sub(pattern, followed, body.decode()).encode()


def tags_of_request(form: bytes, resource_type: str) -> list[dict[str, str]]:
    """The tags that an EC2 request gives to the resources of one type it makes."""
    fields = {key: values[0] for key, values in parse_qs(form.decode("utf-8", "replace")).items()}
    numbers = [
        key.split(".")[1]
        for key, value in fields.items()
        if re.fullmatch(r"TagSpecification\.\d+\.ResourceType", key) and value == resource_type
    ]
    return [
        {"Key": fields[key], "Value": fields.get(f"{key[:-4]}.Value", "")}
        for key in fields
        if re.fullmatch(rf"TagSpecification\.({'|'.join(numbers)})\.Tag\.\d+\.Key", key)
    ]

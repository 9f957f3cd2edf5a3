"""Block devices of an instance, as Pulumi's rootBlockDevice writes them."""

from collections.abc import Mapping
from typing import Any

from sandbox.providers.aws.tags import from_list
from sandbox.wire.values import Properties

_SETTINGS = {
    "deleteOnTermination": "DeleteOnTermination",
    "encrypted": "Encrypted",
    "iops": "Iops",
    "kmsKeyId": "KmsKeyId",
    "throughput": "Throughput",
    "volumeSize": "VolumeSize",
    "volumeType": "VolumeType",
}
COMPUTED = ("deviceName", "tags", "volumeId", *_SETTINGS)
RESIZABLE = frozenset({"iops", "throughput", "volumeSize", "volumeType"})
"""What ModifyVolume can change while the instance runs."""


def to_api(device: str, settings: Properties) -> dict[str, Any]:
    """A BlockDeviceMapping of RunInstances."""
    known = {name: settings[key] for key, name in _SETTINGS.items() if key in settings}
    return {"DeviceName": device, "Ebs": {k: v for k, v in known.items() if v is not None}}


def from_api(mapping: Mapping[str, Any], volume: Mapping[str, Any]) -> Properties:
    """A device of a running instance, with what its volume says."""
    return {
        "deviceName": mapping["DeviceName"],
        "deleteOnTermination": mapping["Ebs"].get("DeleteOnTermination", True),
        "volumeId": volume["VolumeId"],
        "volumeSize": volume["Size"],
        "volumeType": volume["VolumeType"],
        "encrypted": volume["Encrypted"],
        "iops": volume.get("Iops"),
        "throughput": volume.get("Throughput"),
        "kmsKeyId": volume.get("KmsKeyId") or "",
        "tags": from_list(volume.get("Tags")),
    }


def modification(settings: Properties) -> dict[str, Any]:
    """The parameters of ModifyVolume."""
    names = {**_SETTINGS, "volumeSize": "Size"}
    return {names[key]: settings[key] for key in RESIZABLE if settings.get(key) is not None}

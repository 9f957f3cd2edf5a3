"""aws:ec2/instance:Instance."""

import base64
from collections.abc import Set
from types import MappingProxyType
from typing import Any

from sandbox.errors import CloudError
from sandbox.providers.aws.casing import camel, pascal
from sandbox.providers.aws.ec2 import volumes
from sandbox.providers.aws.ec2.base import Ec2Resource
from sandbox.providers.aws.resource import Known
from sandbox.providers.aws.tags import to_list
from sandbox.wire.values import Properties

_SECONDS = 600.0
_METADATA = (
    "httpEndpoint",
    "httpProtocolIpv6",
    "httpPutResponseHopLimit",
    "httpTokens",
    "instanceMetadataTags",
)
_DEFAULT_DEVICE = "/dev/xvda"


class Ec2Instance(Ec2Resource):
    """RunInstances, DescribeInstances, DescribeInstanceAttribute, DescribeVolumes,
    DescribeImages, ModifyVolume, ModifyInstanceMetadataOptions, ModifyInstanceAttribute,
    StopInstances, StartInstances, {Associate,Replace,Disassociate}IamInstanceProfile
    [Association], DescribeIamInstanceProfileAssociations, CreateTags, TerminateInstances."""

    TYPE = "aws:ec2/instance:Instance"
    REPLACE_ON = frozenset({"ami", "subnetId"})
    IN_PLACE = frozenset(
        {
            "iamInstanceProfile",
            "instanceType",
            "metadataOptions",
            "rootBlockDevice",
            "sourceDestCheck",
            "userData",
            "userDataReplaceOnChange",
            "vpcSecurityGroupIds",
        }
    )
    DEFAULTS = MappingProxyType({"sourceDestCheck": True, "userDataReplaceOnChange": False})
    COMPUTED = (
        "arn",
        "availabilityZone",
        "instanceState",
        "instanceType",
        "metadataOptions",
        "privateDns",
        "privateIp",
        "publicDns",
        "publicIp",
        "rootBlockDevice",
        "subnetId",
        "vpcSecurityGroupIds",
    )
    COMPUTED_INSIDE = MappingProxyType(
        {"metadataOptions": _METADATA, "rootBlockDevice": volumes.COMPUTED}
    )
    FIELDS = MappingProxyType(
        {
            "ami": "ImageId",
            "instanceType": "InstanceType",
            "privateDns": "PrivateDnsName",
            "privateIp": "PrivateIpAddress",
            "publicDns": "PublicDnsName",
            "publicIp": "PublicIpAddress",
            "subnetId": "SubnetId",
        }
    )
    DESCRIBE, ITEMS, ID, KIND = "describe_instances", "Instances", "InstanceId", "instance"

    def replaces(self, old: Properties, new: Properties, changes: Set[str]) -> Set[str]:
        """User data only if asked to; the root device for what can not be resized."""
        found = set(super().replaces(old, new, changes))
        if new.get("userDataReplaceOnChange"):
            found |= changes & {"userData"}
        if "rootBlockDevice" in changes:
            before, after = (side.get("rootBlockDevice") or {} for side in (old, new))
            fixed = (before.keys() | after.keys()) - volumes.RESIZABLE - {"tags"}
            if any(before.get(key) != after.get(key) for key in fixed):
                found.add("rootBlockDevice")
        return found

    def create(self, inputs: Properties) -> str:
        optional: dict[str, Any] = {
            "UserData": inputs.get("userData"),
            "MetadataOptions": pascal(_plain(inputs.get("metadataOptions"), _METADATA)),
            "SubnetId": inputs.get("subnetId"),
            "SecurityGroupIds": inputs.get("vpcSecurityGroupIds"),
        }
        if inputs.get("iamInstanceProfile"):
            optional["IamInstanceProfile"] = {"Name": inputs["iamInstanceProfile"]}
        if inputs.get("rootBlockDevice"):
            device = self._root_device(inputs["ami"])
            optional["BlockDeviceMappings"] = [volumes.to_api(device, inputs["rootBlockDevice"])]
        answer = self.client.run_instances(
            ImageId=inputs["ami"],
            InstanceType=inputs.get("instanceType", "m1.small"),
            MinCount=1,
            MaxCount=1,
            TagSpecifications=self.tagged(inputs) + self._volume_tags(inputs),
            **{k: v for k, v in optional.items() if v},
        )
        return str(answer["Instances"][0]["InstanceId"])

    def _volume_tags(self, inputs: Properties) -> list[dict[str, Any]]:
        tags = (inputs.get("rootBlockDevice") or {}).get("tags")
        return [{"ResourceType": "volume", "Tags": to_list(tags)}] if tags else []

    def _root_device(self, ami: str) -> str:
        images = self.client.describe_images(ImageIds=[ami])["Images"]
        return str((images[0] if images else {}).get("RootDeviceName") or _DEFAULT_DEVICE)

    def describe(self, resource_id: str) -> Any | None:
        return self._first(self.client.describe_instances(InstanceIds=[resource_id]))

    def _first(self, answer: Any) -> Any | None:
        items = [item for one in answer["Reservations"] for item in one["Instances"]]
        alive = [i for i in items if i["State"]["Name"] not in ("shutting-down", "terminated")]
        return alive[0] if alive else None

    def finish(self, known: Known) -> None:
        def running() -> bool | None:
            item = self.describe(known.id)
            if item is None:
                raise CloudError(f"Instance {known.id} was terminated while it started")
            return True if item["State"]["Name"] in ("running", "stopped") else None

        self.aws.wait(f"instance {known.id} runs", running, _SECONDS)
        # RunInstances has no parameter for this one.
        if not known.outputs and not known.inputs["sourceDestCheck"]:
            self._modify(known.id, SourceDestCheck={"Value": False})

    def details(self, known: Known, item: Any) -> Properties:
        profile = (item.get("IamInstanceProfile") or {}).get("Arn", "")
        return {
            "instanceState": item["State"]["Name"],
            "availabilityZone": item["Placement"]["AvailabilityZone"],
            "vpcSecurityGroupIds": [group["GroupId"] for group in item.get("SecurityGroups", [])],
            "iamInstanceProfile": profile.rpartition("/")[2] or None,
            "metadataOptions": _plain(camel(item.get("MetadataOptions")), _METADATA),
            "rootBlockDevice": self._root_volume(item),
            "sourceDestCheck": item.get("SourceDestCheck", True),
            **self._user_data_state(known),
        }

    def _root_volume(self, item: Any) -> Properties | None:
        for mapping in item.get("BlockDeviceMappings", []):
            if mapping["DeviceName"] == item.get("RootDeviceName", mapping["DeviceName"]):
                answer = self.client.describe_volumes(VolumeIds=[mapping["Ebs"]["VolumeId"]])
                return volumes.from_api(mapping, answer["Volumes"][0])
        return None

    def _user_data_state(self, known: Known) -> Properties:
        answer = self.client.describe_instance_attribute(InstanceId=known.id, Attribute="userData")
        encoded = (answer.get("UserData") or {}).get("Value")
        if not encoded:
            # None, or not described: MiniStack never does. Then the state's value is kept.
            return {}
        return {"userData": base64.b64decode(encoded).decode()}

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if "metadataOptions" in changes:
            self.client.modify_instance_metadata_options(
                InstanceId=known.id,
                **pascal(_plain(inputs.get("metadataOptions"), _METADATA)),
            )
        if "vpcSecurityGroupIds" in changes:
            self._modify(known.id, Groups=inputs["vpcSecurityGroupIds"])
        if "sourceDestCheck" in changes:
            self._modify(known.id, SourceDestCheck={"Value": inputs["sourceDestCheck"]})
        if "iamInstanceProfile" in changes:
            self._change_profile(known.id, inputs.get("iamInstanceProfile"))
        if "rootBlockDevice" in changes:
            self._change_root(known.id, inputs["rootBlockDevice"])
        if changes & {"instanceType", "userData"}:
            self._change_stopped(known.id, inputs, changes)

    def _modify(self, instance: str, **attribute: Any) -> None:
        self.client.modify_instance_attribute(InstanceId=instance, **attribute)

    def _change_profile(self, instance: str, profile: str | None) -> None:
        found = self.client.describe_iam_instance_profile_associations(
            Filters=[{"Name": "instance-id", "Values": [instance]}]
        )["IamInstanceProfileAssociations"]
        if found and profile:
            self.client.replace_iam_instance_profile_association(
                AssociationId=found[0]["AssociationId"], IamInstanceProfile={"Name": profile}
            )
        elif found:
            self.client.disassociate_iam_instance_profile(AssociationId=found[0]["AssociationId"])
        elif profile:
            self.client.associate_iam_instance_profile(
                InstanceId=instance, IamInstanceProfile={"Name": profile}
            )

    def _change_root(self, instance: str, settings: Properties) -> None:
        root = self._root_volume(self.describe(instance) or {})
        if root is None:
            raise CloudError(f"Instance {instance} has no root volume")
        changes = volumes.modification(settings)
        if changes:
            self.client.modify_volume(VolumeId=root["volumeId"], **changes)
        if settings.get("tags"):
            self.client.create_tags(Resources=[root["volumeId"]], Tags=to_list(settings["tags"]))

    def _change_stopped(self, instance: str, inputs: Properties, changes: Set[str]) -> None:
        """Change what AWS changes only while the instance does not run."""
        self.client.stop_instances(InstanceIds=[instance])
        self._await_state(instance, "stopped")
        if "instanceType" in changes:
            self._modify(instance, InstanceType={"Value": inputs["instanceType"]})
        if "userData" in changes:
            # Encoded by botocore here, as in RunInstances.
            self._modify(instance, UserData={"Value": inputs.get("userData") or ""})
        self.client.start_instances(InstanceIds=[instance])
        self._await_state(instance, "running")

    def _await_state(self, instance: str, state: str) -> None:
        def reached() -> bool | None:
            item = self.describe(instance)
            return True if item and item["State"]["Name"] == state else None

        self.aws.wait(f"instance {instance} is {state}", reached, _SECONDS)

    def delete(self, known: Known) -> None:
        self.client.terminate_instances(InstanceIds=[known.id])
        self.aws.wait(
            f"instance {known.id} is terminated",
            lambda: True if self.describe(known.id) is None else None,
            _SECONDS,
        )


def _plain(settings: Any, keys: tuple[str, ...]) -> Properties:
    return {key: settings[key] for key in keys if (settings or {}).get(key) is not None}

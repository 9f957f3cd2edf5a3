"""aws:iam/instanceProfile:InstanceProfile."""

from collections.abc import Mapping, Set
from types import MappingProxyType
from typing import Any

from sandbox.providers.aws.iam.base import TaggedIamResource
from sandbox.providers.aws.resource import Known
from sandbox.providers.aws.tags import to_list
from sandbox.wire.values import Properties


class InstanceProfile(TaggedIamResource):
    """CreateInstanceProfile, AddRoleToInstanceProfile, RemoveRoleFromInstanceProfile,
    GetInstanceProfile, DeleteInstanceProfile."""

    TYPE = "aws:iam/instanceProfile:InstanceProfile"
    REPLACE_ON = frozenset({"name", "path"})
    IN_PLACE = frozenset({"role"})
    DEFAULTS = MappingProxyType({"path": "/"})
    COMPUTED = ("arn", "role", "uniqueId")
    FIELDS = MappingProxyType(
        {
            "arn": "Arn",
            "name": "InstanceProfileName",
            "path": "Path",
            "uniqueId": "InstanceProfileId",
        }
    )
    NAME = "name"
    LONGEST_NAME = 128
    GET = ("get_instance_profile", "InstanceProfile")
    TAG = ("tag_instance_profile", "untag_instance_profile")
    KEY = "InstanceProfileName"

    def create(self, inputs: Properties) -> str:
        self.client.create_instance_profile(
            InstanceProfileName=inputs["name"],
            Path=inputs["path"],
            Tags=to_list(inputs["tags"]),
        )
        return str(inputs["name"])

    def derive(self, inputs: Properties) -> Properties:
        return {"arn": self.global_arn(f"instance-profile{inputs['path']}{inputs['name']}")}

    def finish(self, known: Known) -> None:
        """A profile holds at most one role."""
        wanted = known.inputs.get("role")
        for role in self._roles(known.id) - {wanted}:
            self._remove(known.id, role)
        if wanted and wanted not in self._roles(known.id):
            self.client.add_role_to_instance_profile(InstanceProfileName=known.id, RoleName=wanted)

    def _roles(self, name: str) -> set[str]:
        return {role["RoleName"] for role in self.get(name)["Roles"]}

    def _remove(self, name: str, role: str) -> None:
        self.client.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=role)

    def details(self, item: Mapping[str, Any]) -> Properties:
        return {"role": next((role["RoleName"] for role in item["Roles"]), None)}

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        """`finish`, which follows, sets the role."""

    def delete(self, known: Known) -> None:
        for role in self._roles(known.id):
            self._remove(known.id, role)
        self.client.delete_instance_profile(InstanceProfileName=known.id)

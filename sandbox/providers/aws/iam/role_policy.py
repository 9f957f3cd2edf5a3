"""aws:iam/rolePolicy:RolePolicy."""

from collections.abc import Set

from sandbox.providers.aws.iam.base import IamResource, document
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import Properties


class RolePolicy(IamResource):
    """PutRolePolicy, GetRolePolicy, DeleteRolePolicy. A policy inside its role; id: ROLE:NAME."""

    TYPE = "aws:iam/rolePolicy:RolePolicy"
    REPLACE_ON = frozenset({"name", "role"})
    IN_PLACE = frozenset({"policy"})
    JSON = frozenset({"policy"})
    NAME = "name"
    LONGEST_NAME = 128
    TAGGED = False

    def create(self, inputs: Properties) -> str:
        resource_id = f"{inputs['role']}:{inputs['name']}"
        self.client.put_role_policy(**_names(resource_id), PolicyDocument=inputs["policy"])
        return resource_id

    def read(self, known: Known) -> Properties | None:
        item = self.client.get_role_policy(**_names(known.id))
        return {
            "role": item["RoleName"],
            "name": item["PolicyName"],
            "policy": document(item["PolicyDocument"]),
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if "policy" in changes:
            self.client.put_role_policy(**_names(known.id), PolicyDocument=inputs["policy"])

    def delete(self, known: Known) -> None:
        self.client.delete_role_policy(**_names(known.id))


def _names(policy_id: str) -> dict[str, str]:
    role, _, name = policy_id.rpartition(":")
    return {"RoleName": role, "PolicyName": name}

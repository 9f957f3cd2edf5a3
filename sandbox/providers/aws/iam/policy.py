"""aws:iam/policy:Policy."""

from collections.abc import Mapping, Set
from types import MappingProxyType
from typing import Any

from sandbox.providers.aws.iam.base import TaggedIamResource, document
from sandbox.providers.aws.resource import Known
from sandbox.providers.aws.tags import to_list
from sandbox.wire.values import Properties

_MOST_VERSIONS = 5
"""How many versions of a policy IAM keeps."""


class Policy(TaggedIamResource):
    """CreatePolicy, CreatePolicyVersion, ListPolicyVersions, DeletePolicyVersion, GetPolicy,
    GetPolicyVersion, DeletePolicy. Id: the ARN."""

    TYPE = "aws:iam/policy:Policy"
    REPLACE_ON = frozenset({"description", "name", "path"})
    IN_PLACE = frozenset({"policy"})
    DEFAULTS = MappingProxyType({"path": "/"})
    COMPUTED = ("arn", "policyId")
    FIELDS = MappingProxyType(
        {
            "arn": "Arn",
            "description": "Description",
            "name": "PolicyName",
            "path": "Path",
            "policyId": "PolicyId",
        }
    )
    JSON = frozenset({"policy"})
    NAME = "name"
    LONGEST_NAME = 128
    GET, TAG = ("get_policy", "Policy"), ("tag_policy", "untag_policy")
    KEY = "PolicyArn"

    def create(self, inputs: Properties) -> str:
        optional = {"Description": inputs.get("description")}
        answer = self.client.create_policy(
            PolicyName=inputs["name"],
            Path=inputs["path"],
            PolicyDocument=inputs["policy"],
            Tags=to_list(inputs["tags"]),
            **{k: v for k, v in optional.items() if v},
        )
        return str(answer["Policy"]["Arn"])

    def derive(self, inputs: Properties) -> Properties:
        return {"arn": self.global_arn(f"policy{inputs['path']}{inputs['name']}")}

    def details(self, item: Mapping[str, Any]) -> Properties:
        version = self.client.get_policy_version(
            PolicyArn=item["Arn"], VersionId=item["DefaultVersionId"]
        )
        return {"policy": document(version["PolicyVersion"]["Document"])}

    def _old_versions(self, arn: str) -> list[str]:
        """Oldest first, without the default one."""
        versions = self.client.list_policy_versions(PolicyArn=arn)["Versions"]
        versions.sort(key=lambda version: version["CreateDate"])
        return [v["VersionId"] for v in versions if not v["IsDefaultVersion"]]

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if "policy" in changes:
            old = self._old_versions(known.id)
            if len(old) >= _MOST_VERSIONS - 1:
                self.client.delete_policy_version(PolicyArn=known.id, VersionId=old[0])
            self.client.create_policy_version(
                PolicyArn=known.id, PolicyDocument=inputs["policy"], SetAsDefault=True
            )

    def delete(self, known: Known) -> None:
        for version in self._old_versions(known.id):
            self.client.delete_policy_version(PolicyArn=known.id, VersionId=version)
        self.client.delete_policy(PolicyArn=known.id)

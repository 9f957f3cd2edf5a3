"""aws:kms/alias:Alias."""

from collections.abc import Set
from typing import Any

from sandbox.providers.aws.resource import Known, Resource
from sandbox.wire.values import Properties, Value


class Alias(Resource):
    """CreateAlias, UpdateAlias, ListAliases, DeleteAlias. Id: the name with `alias/`."""

    TYPE = "aws:kms/alias:Alias"
    SERVICE = "kms"
    REPLACE_ON = frozenset({"name"})
    IN_PLACE = frozenset({"targetKeyId"})
    COMPUTED = ("arn", "targetKeyArn")
    NAME = "name"
    LONGEST_NAME = 256
    TAGGED = False

    def stem(self, name: str) -> str:
        return f"alias/{super().stem(name)}"

    def create(self, inputs: Properties) -> str:
        self.client.create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
        return str(inputs["name"])

    def derive(self, inputs: Properties) -> Properties:
        return {"arn": self.aws.arn("kms", inputs["name"])}

    def _is(self, target: str, inputs: Properties) -> bool:
        return str(inputs["targetKeyId"]).rpartition("/")[2] == target

    def _get(self, name: str) -> Any | None:
        for page in self.client.get_paginator("list_aliases").paginate():
            for item in page["Aliases"]:
                if item["AliasName"] == name:
                    return item
        return None

    def read(self, known: Known) -> Properties | None:
        item = self._get(known.id)
        if item is None:
            return None
        key = item.get("TargetKeyId")
        return {
            "arn": item["AliasArn"],
            "name": item["AliasName"],
            "targetKeyId": key,
            "targetKeyArn": self.aws.arn("kms", f"key/{key}"),
        }

    def same(self, key: str, one: Value, other: Value) -> bool:
        if key == "targetKeyId" and isinstance(one, str) and isinstance(other, str):
            return one.rpartition("/")[2] == other.rpartition("/")[2]
        return super().same(key, one, other)

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if "targetKeyId" in changes:
            self.client.update_alias(AliasName=known.id, TargetKeyId=inputs["targetKeyId"])

    def delete(self, known: Known) -> None:
        self.client.delete_alias(AliasName=known.id)

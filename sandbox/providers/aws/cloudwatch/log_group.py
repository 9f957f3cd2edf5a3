"""aws:cloudwatch/logGroup:LogGroup."""

from collections.abc import Collection, Mapping, Set
from types import MappingProxyType
from typing import Any

from sandbox.providers.aws.resource import Known, Resource
from sandbox.providers.aws.tags import visible
from sandbox.wire.values import Properties


class LogGroup(Resource):
    """CreateLogGroup, {Put,Delete}RetentionPolicy, DescribeLogGroups, ListTagsForResource,
    DeleteLogGroup. Id: the name."""

    TYPE = "aws:cloudwatch/logGroup:LogGroup"
    SERVICE = "logs"
    REPLACE_ON = frozenset({"name"})
    IN_PLACE = frozenset({"retentionInDays"})
    DEFAULTS = MappingProxyType({"retentionInDays": 0})
    COMPUTED = ("arn",)
    NAME = "name"
    LONGEST_NAME = 512

    def create(self, inputs: Properties) -> str:
        self.client.create_log_group(logGroupName=inputs["name"], tags=inputs["tags"])
        return str(inputs["name"])

    def derive(self, inputs: Properties) -> Properties:
        return {"arn": self._arn(inputs["name"])}

    def _arn(self, name: str) -> str:
        return self.aws.arn("logs", f"log-group:{name}")

    def all_tags(self, resource_id: str) -> Mapping[str, str]:
        answer = self.client.list_tags_for_resource(resourceArn=self._arn(resource_id))
        return dict(answer["tags"])

    def _get(self, name: str) -> Any | None:
        groups = self.client.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        return next((group for group in groups if group["logGroupName"] == name), None)

    def finish(self, known: Known) -> None:
        days = known.inputs["retentionInDays"]
        item = self._get(known.id) or {}
        if days and days != item.get("retentionInDays"):
            self.client.put_retention_policy(logGroupName=known.id, retentionInDays=days)
        elif not days and item.get("retentionInDays"):
            self.client.delete_retention_policy(logGroupName=known.id)

    def read(self, known: Known) -> Properties | None:
        item = self._get(known.id)
        if item is None:
            return None
        return {
            "arn": self._arn(known.id),
            "name": item["logGroupName"],
            "retentionInDays": item.get("retentionInDays", 0),
            "tags": visible(self.all_tags(known.id)),
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        """`finish`, which follows, sets the retention."""

    def retag(self, known: Known, add: Mapping[str, str], remove: Collection[str]) -> None:
        arn = self._arn(known.id)
        if add:
            self.client.tag_resource(resourceArn=arn, tags=dict(add))
        if remove:
            self.client.untag_resource(resourceArn=arn, tagKeys=list(remove))

    def delete(self, known: Known) -> None:
        self.client.delete_log_group(logGroupName=known.id)

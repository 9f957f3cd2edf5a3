"""The base of RDS's resources: names in lower case, and tags by ARN."""

from collections.abc import Collection, Mapping

from sandbox.providers.aws.resource import Known, Resource
from sandbox.providers.aws.tags import to_list


class RdsResource(Resource):
    """Its id is its name."""

    SERVICE = "rds"

    def arn_of(self, resource_id: str) -> str:
        raise NotImplementedError(self.TYPE)

    def stem(self, name: str) -> str:
        return super().stem(name).lower()

    def all_tags(self, resource_id: str) -> Mapping[str, str]:
        answer = self.client.list_tags_for_resource(ResourceName=self.arn_of(resource_id))
        return {tag["Key"]: tag["Value"] for tag in answer["TagList"]}

    def retag(self, known: Known, add: Mapping[str, str], remove: Collection[str]) -> None:
        arn = self.arn_of(known.id)
        if add:
            self.client.add_tags_to_resource(ResourceName=arn, Tags=to_list(add))
        if remove:
            self.client.remove_tags_from_resource(ResourceName=arn, TagKeys=list(remove))

"""aws:ecr/repository:Repository."""

from collections.abc import Collection, Mapping, Set
from types import MappingProxyType

from sandbox.errors import CloudError
from sandbox.providers.aws.refusals import code_of
from sandbox.providers.aws.resource import Known, Resource
from sandbox.providers.aws.tags import to_list, visible
from sandbox.wire.values import Properties


class Repository(Resource):
    """CreateRepository, PutImageScanningConfiguration, PutImageTagMutability,
    DescribeRepositories, ListTagsForResource, DeleteRepository. Id: the name."""

    TYPE = "aws:ecr/repository:Repository"
    SERVICE = "ecr"
    REPLACE_ON = frozenset({"name"})
    IN_PLACE = frozenset({"forceDelete", "imageScanningConfiguration", "imageTagMutability"})
    DEFAULTS = MappingProxyType({"imageTagMutability": "MUTABLE"})
    COMPUTED = ("arn", "registryId", "repositoryUrl")
    NAME = "name"
    LONGEST_NAME = 256

    def stem(self, name: str) -> str:
        return super().stem(name).lower()

    def create(self, inputs: Properties) -> str:
        scanning = inputs.get("imageScanningConfiguration")
        self.client.create_repository(
            repositoryName=inputs["name"],
            imageTagMutability=inputs["imageTagMutability"],
            tags=to_list(inputs["tags"]),
            **({"imageScanningConfiguration": scanning} if scanning else {}),
        )
        return str(inputs["name"])

    def _arn(self, name: str) -> str:
        return self.aws.arn("ecr", f"repository/{name}")

    def all_tags(self, resource_id: str) -> Mapping[str, str]:
        answer = self.client.list_tags_for_resource(resourceArn=self._arn(resource_id))
        return {tag["Key"]: tag["Value"] for tag in answer["tags"]}

    def read(self, known: Known) -> Properties | None:
        answer = self.client.describe_repositories(repositoryNames=[known.id])
        item = answer["repositories"][0]
        return {
            "arn": item["repositoryArn"],
            "name": item["repositoryName"],
            "registryId": item["registryId"],
            "repositoryUrl": item["repositoryUri"],
            "imageTagMutability": item.get("imageTagMutability", "MUTABLE"),
            "imageScanningConfiguration": item.get("imageScanningConfiguration"),
            "tags": visible(self.all_tags(known.id)),
        }

    def update(self, known: Known, inputs: Properties, changes: Set[str]) -> None:
        if "imageTagMutability" in changes:
            self.client.put_image_tag_mutability(
                repositoryName=known.id, imageTagMutability=inputs["imageTagMutability"]
            )
        if "imageScanningConfiguration" in changes:
            self.client.put_image_scanning_configuration(
                repositoryName=known.id,
                imageScanningConfiguration=inputs.get("imageScanningConfiguration")
                or {"scanOnPush": False},
            )

    def retag(self, known: Known, add: Mapping[str, str], remove: Collection[str]) -> None:
        arn = self._arn(known.id)
        if add:
            self.client.tag_resource(resourceArn=arn, tags=to_list(add))
        if remove:
            self.client.untag_resource(resourceArn=arn, tagKeys=list(remove))

    def delete(self, known: Known) -> None:
        try:
            self.client.delete_repository(
                repositoryName=known.id, force=bool(known.get("forceDelete"))
            )
        except Exception as error:
            if code_of(error) != "RepositoryNotEmptyException":
                raise
            raise CloudError(
                f"ECR repository {known.id} still holds images",
                "Set forceDelete on it, run `up`, and destroy again.",
                code="RepositoryNotEmptyException",
            ) from error

"""ECR: an environment's repositories, and its images in those of its base."""

from collections.abc import Iterator, Sequence
from typing import Any

from cli.cloud.catalogue.kind import Asked, Item, Kind, by_use, repeat
from cli.cloud.errors import InUse, unless_gone
from cli.cloud.resource import Resource, Search, batches, everything, pairs
from infra.contract.naming import is_environment

SERVICE = "ecr"
PER_CALL = 100


def _described(search: Search) -> list[dict[str, Any]]:
    return search.ours(
        SERVICE, "describe_repositories", "repositories", "repositoryName", "repository/"
    )


def _repositories(search: Search) -> Iterator[Item]:
    for item in _described(search):
        arn = str(item["repositoryArn"])
        answer = unless_gone(search.client(SERVICE).list_tags_for_resource, resourceArn=arn)
        tags = pairs(answer["tags"]) if answer else {}
        yield Item(str(item["repositoryName"]), arn, tags, created=item.get("createdAt"))


def _images(search: Search) -> Iterator[Item]:
    """Tags that begin with the environment's name and a dot: see `Names.image_tag_prefix`."""
    tagged = {"filter": {"tagStatus": "TAGGED"}}
    for repository in _described(search):
        name, arn = repository["repositoryName"], repository["repositoryArn"]
        for item in everything(
            search.client(SERVICE), "list_images", "imageIds", repositoryName=name, **tagged
        ):
            owner, dot, _ = str(item["imageTag"]).partition(".")
            if dot and is_environment(owner):
                tag = item["imageTag"]
                yield Item(f"{name}:{tag}", f"{arn}:{tag}", near=owner)


def _show_image(identifier: str) -> str:
    repository, _, tag = identifier.rpartition(":")
    return f"ecr describe-images --repository-name {repository} --image-ids imageTag={tag}"


def _delete_repository(search: Search, resource: Resource) -> None:
    search.client(SERVICE).delete_repository(repositoryName=resource.id, force=True)


def _delete_image(search: Search, resource: Resource) -> None:
    """Only the tag: the layers stay as long as another environment's tag needs them."""
    repository, _, tag = resource.id.rpartition(":")
    _delete_images(search.client(SERVICE), repository, [{"imageTag": tag}])


def empty(ecr: Any, repository: str) -> int:
    """Deletes every image of a repository, tagged or not; how many there were."""
    listed = everything(ecr, "list_images", "imageIds", repositoryName=repository)
    digests = sorted({str(item["imageDigest"]) for item in listed})
    for some in batches(digests, PER_CALL):
        _delete_images(ecr, repository, [{"imageDigest": digest} for digest in some])
    return len(digests)


def _delete_images(ecr: Any, repository: str, images: Sequence[dict[str, str]]) -> None:
    """ECR refuses single images in an answer that is no error."""
    answer = ecr.batch_delete_image(repositoryName=repository, imageIds=images)
    refused = [
        f"{item['imageId']}: {item['failureReason']}"
        for item in answer.get("failures", ())
        if item["failureCode"] != "ImageNotFound"
    ]
    if refused:
        raise InUse(f"images of {repository} cannot be deleted", "\n".join(refused))


def _recover(asked: Asked) -> str | None:
    name = str(asked.inputs["name"])
    found = unless_gone(asked.client(SERVICE).describe_repositories, repositoryNames=[name])
    return None if found is None else name


KINDS = (
    Kind(
        service=SERVICE,
        name="image",
        list=_images,
        delete=_delete_image,
        show=_show_image,
        price=by_use("images", "ecr", "GB-month"),
    ),
    Kind(
        service=SERVICE,
        name="repository",
        type="aws:ecr/repository:Repository",
        list=_repositories,
        delete=_delete_repository,
        show="ecr describe-images --repository-name {id}",
        price=by_use("images", "ecr", "GB-month"),
        recover=_recover,
    ),
    Kind(type="aws:ecr/lifecyclePolicy:LifecyclePolicy", recover=repeat),
    Kind(type="aws:ecr/repositoryPolicy:RepositoryPolicy", recover=repeat),
)

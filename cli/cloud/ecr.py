"""ECR: an environment's repositories, and its images in those of its base."""

from collections.abc import Iterator, Sequence
from typing import Any

from cli.cloud.errors import InUse, unless_gone
from cli.cloud.resource import Resource, Search, everything, moment, pairs, portions
from infra.contract.naming import PREFIX, is_environment

SERVICE = "ecr"
PER_CALL = 100


def find(search: Search) -> Iterator[Resource]:
    ecr = search.client(SERVICE)
    marked = set(search.tagged_names(SERVICE, "repository/"))
    for item in everything(ecr, "describe_repositories", "repositories"):
        name = str(item["repositoryName"])
        if not name.startswith(f"{PREFIX}-") and name not in marked:
            continue
        tags = _tags(ecr, item["repositoryArn"])
        environment = search.whose(tags)
        if environment is not None:
            yield Resource(
                service=SERVICE,
                kind="repository",
                id=name,
                arn=str(item["repositoryArn"]),
                environment=environment,
                show=search.command(f"ecr describe-images --repository-name {name}"),
                tags=tags,
                created=moment(item.get("createdAt")),
            )
        yield from _images(search, name, item["repositoryArn"])


def _tags(ecr: Any, arn: str) -> dict[str, str]:
    answer = unless_gone(ecr.list_tags_for_resource, resourceArn=arn)
    return pairs(answer["tags"]) if answer else {}


def _images(search: Search, repository: str, arn: str) -> Iterator[Resource]:
    """Tags that begin with the environment's name and a dot: see `Names.image_tag_prefix`."""
    ecr = search.client(SERVICE)
    for item in everything(
        ecr,
        "list_images",
        "imageIds",
        repositoryName=repository,
        filter={"tagStatus": "TAGGED"},
    ):
        owner, dot, _ = str(item["imageTag"]).partition(".")
        if not dot or not is_environment(owner):
            continue
        environment = search.whose({}, owner)
        if environment is not None:
            yield Resource(
                service=SERVICE,
                kind="image",
                id=f"{repository}:{item['imageTag']}",
                arn=f"{arn}:{item['imageTag']}",
                environment=environment,
                show=search.command(
                    f"ecr describe-images --repository-name {repository} "
                    f"--image-ids imageTag={item['imageTag']}"
                ),
            )


def delete(search: Search, resource: Resource) -> None:
    ecr = search.client(SERVICE)
    if resource.kind == "repository":
        ecr.delete_repository(repositoryName=resource.id, force=True)
        return
    repository, _, tag = resource.id.rpartition(":")
    # Only the tag: the layers stay as long as another environment's tag needs them.
    _delete_images(ecr, repository, [{"imageTag": tag}])


def empty(ecr: Any, repository: str) -> int:
    """Deletes every image of a repository, tagged or not; how many there were."""
    images = [
        {"imageDigest": item["imageDigest"]}
        for item in everything(ecr, "list_images", "imageIds", repositoryName=repository)
    ]
    unique = [dict(pair) for pair in {tuple(image.items()) for image in images}]
    for some in portions(unique, PER_CALL):
        _delete_images(ecr, repository, some)
    return len(unique)


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

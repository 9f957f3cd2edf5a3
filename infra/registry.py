"""The image registry: one ECR repository for each image that the environment builds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.stack import Stack

KEPT_IMAGES = 20
"""How many of its own images an environment keeps: enough to go back some weeks of daily builds."""

KEPT_OF_BRANCHES = 5000
"""How many images of branches a repository keeps, all branches together: each is a layer or two."""

UNTAGGED_DAYS = 7
"""How long an image that lost its tag stays, for pods that still run it."""


def lifecycle_policy(own_prefix: str) -> str:
    """What ECR forgets. Images of branches never crowd out those of the environment itself: what a rule
    selects by its tag is out of the reach of those after it."""
    untagged = {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": UNTAGGED_DAYS,
    }
    own = {"tagStatus": "tagged", "tagPrefixList": [own_prefix], **_newest(KEPT_IMAGES)}
    branches = {"tagStatus": "any", **_newest(KEPT_OF_BRANCHES)}
    return json.dumps(
        {
            "rules": [
                _rule(1, "Images without a tag", untagged),
                _rule(2, "Old images of the environment itself", own),
                _rule(3, "Old images of branches", branches),
            ]
        },
        sort_keys=True,
    )


def _newest(count: int) -> dict[str, Any]:
    return {"countType": "imageCountMoreThan", "countNumber": count}


def _rule(priority: int, description: str, selection: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "rulePriority": priority,
        "description": description,
        "selection": selection,
        "action": {"type": "expire"},
    }


@dataclass(frozen=True)
class Repository:
    """Where an image goes: this environment's own repository, or its base's."""

    url: pulumi.Output[str]
    name: pulumi.Output[str]
    registry_id: pulumi.Output[str]


@dataclass(frozen=True)
class RegistryArgs:
    """`images` are the names of the repositories."""

    stack: Stack
    images: Sequence[str]


class Registry(pulumi.ComponentResource):
    """ECR repositories by image name."""

    repositories: dict[str, Repository]

    def __init__(
        self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:Registry", name, {}, opts)
        self.repositories = {image: self._repository(image, args) for image in args.images}
        self.register_outputs({})

    def _repository(self, image: str, args: RegistryArgs) -> Repository:
        child = pulumi.ResourceOptions(parent=self)
        logical = args.stack.names.of(image)
        repository = aws.ecr.Repository(
            logical,
            # A tag names its content forever: what was tested is what runs.
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            force_delete=not args.stack.settings.protect,
            opts=child,
        )
        aws.ecr.LifecyclePolicy(
            logical,
            repository=repository.name,
            policy=lifecycle_policy(args.stack.names.image_tag_prefix),
            opts=child,
        )
        return Repository(repository.repository_url, repository.name, repository.registry_id)

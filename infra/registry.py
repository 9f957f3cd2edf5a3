"""The image registry: one ECR repository for each image that the environment builds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.stack import Stack

KEPT_IMAGES = 20
"""How many images a repository keeps: enough to go back some weeks of daily builds."""

UNTAGGED_DAYS = 7
"""How long an image that lost its tag stays, for pods that still run it."""

LIFECYCLE_POLICY = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "description": "Images without a tag",
                "selection": {
                    "tagStatus": "untagged",
                    "countType": "sinceImagePushed",
                    "countUnit": "days",
                    "countNumber": UNTAGGED_DAYS,
                },
                "action": {"type": "expire"},
            },
            {
                "rulePriority": 2,
                "description": "Old images",
                "selection": {
                    "tagStatus": "any",
                    "countType": "imageCountMoreThan",
                    "countNumber": KEPT_IMAGES,
                },
                "action": {"type": "expire"},
            },
        ]
    },
    sort_keys=True,
)


@dataclass(frozen=True)
class RegistryArgs:
    """`images` are the names of the repositories."""

    stack: Stack
    images: Sequence[str]


class Registry(pulumi.ComponentResource):
    """ECR repositories by image name."""

    repositories: dict[str, aws.ecr.Repository]

    def __init__(
        self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:Registry", name, {}, opts)
        self.repositories = {image: self._repository(image, args) for image in args.images}
        self.register_outputs({})

    def _repository(self, image: str, args: RegistryArgs) -> aws.ecr.Repository:
        child = pulumi.ResourceOptions(parent=self)
        logical = args.stack.names.of(image)
        repository = aws.ecr.Repository(
            logical,
            # A tag names its content for ever: what was tested is what runs.
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            force_delete=not args.stack.settings.protect,
            opts=child,
        )
        aws.ecr.LifecyclePolicy(
            logical, repository=repository.name, policy=LIFECYCLE_POLICY, opts=child
        )
        return repository

"""Whatever else carries the tag, of services that the program does not use.

Somebody put it there by hand. It is named, so that nobody calls an account empty that is not;
how it goes is for them to say.
"""

from collections.abc import Iterator

from cli.cloud.errors import InUse
from cli.cloud.resource import TAGGING_API, Resource, Search

KNOWN = frozenset({"ec2", "ecr", "eks", "elasticloadbalancing", "iam", "kms", "logs", "rds", "s3"})
"""The services that have a module here. Of theirs, this API names for hours what is gone."""


def find(search: Search) -> Iterator[Resource]:
    for arn, tags in search.tagged.items():
        service, rest = arn.split(":")[2], arn.split(":", 5)[5]
        environment = search.whose(tags) if service not in KNOWN else None
        if environment is None:
            continue
        kind = rest.replace(":", "/").split("/")[0] if "/" in rest or ":" in rest else ""
        yield Resource(
            service=service,
            kind=kind,
            id=rest.removeprefix(kind).lstrip("/:"),
            arn=arn,
            environment=environment,
            show=search.command(f"{TAGGING_API} get-resources --resource-arn-list {arn}"),
            tags=tags,
        )


def delete(search: Search, resource: Resource) -> None:
    raise InUse(
        f"{resource.label} is of a service that aerodrome does not use",
        "Delete it as whoever made it would.",
        resource.show,
    )

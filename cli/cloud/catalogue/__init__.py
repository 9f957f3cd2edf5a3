"""The catalogue: a row for each kind of resource that the kit knows, in the order in which they can go.

`find` lists everything of one environment, or of all; `delete` takes one of those away, and gone is
success. A new kind is a row in its service's module here, and nothing else in the command line.

The tagging API is the net below: what carries the environment's tag and is of no kind that has a
row is found too, as not known. It is named, so that nobody calls an account empty that is not.
"""

from collections.abc import Collection, Iterator, Mapping

from botocore.exceptions import ClientError

from cli.cloud import errors
from cli.cloud.catalogue import (
    budgets,
    ec2,
    ecr,
    eks,
    events,
    iam,
    kms,
    kubernetes,
    load_balancing,
    logs,
    rds,
    s3,
    secrets,
    sqs,
)
from cli.cloud.catalogue.kind import Kind
from cli.cloud.errors import InUse
from cli.cloud.resource import TAGGING_API, Resource, Search, moment

KINDS: tuple[Kind, ...] = (
    *load_balancing.KINDS,
    *eks.KINDS,
    *rds.KINDS,
    *ec2.KINDS,
    # A rule of EventBridge before the queue that it fills.
    *events.KINDS,
    *sqs.KINDS,
    # After the clusters: one writes the end of its log while it goes.
    *logs.KINDS,
    *iam.KINDS,
    *ecr.KINDS,
    *s3.KINDS,
    *kms.KINDS,
    *secrets.KINDS,
    *budgets.KINDS,
    *kubernetes.KINDS,
)
"""A resource comes before those that it depends on."""

BY_TYPE: Mapping[str, Kind] = {kind.type: kind for kind in KINDS if kind.type}
"""By Pulumi's type."""

BY_COMPONENT: Mapping[str, str] = {kind.component: kind.type for kind in KINDS if kind.component}
"""Of pulumi-eks's components, the type that each stands for."""

BY_NAME: Mapping[tuple[str, str], Kind] = {
    (kind.service, kind.name): kind for kind in KINDS if kind.service
}

_ARNS = frozenset(kind.arns for kind in KINDS if kind.service)


def kind_of(resource: Resource) -> Kind | None:
    """None if the catalogue does not know it."""
    return BY_NAME.get((resource.service, resource.kind)) if resource.known else None


def find(search: Search, services: Collection[str] | None = None) -> list[Resource]:
    """Everything that is looked for, each once, in the order in which it can go; what is not known is last.

    With `services`, that of these only.
    """
    found: dict[str, Resource] = {}
    with errors.translated("list resources"):
        for kind in KINDS:
            if services is None or kind.service in services:
                listed = sorted(_of_kind(search, kind), key=lambda resource: resource.arn)
                found |= {item.arn: item for item in listed if item.arn not in found}
        if services is None:
            found |= {item.arn: item for item in _unknown(search)}
    return list(found.values())


def _of_kind(search: Search, kind: Kind) -> Iterator[Resource]:
    for item in kind.list(search) if kind.list else ():
        environment = search.whose(item.tags, *([item.near] if item.near else []))
        if environment is not None:
            yield Resource(
                service=kind.service,
                kind=kind.name,
                id=item.id,
                arn=item.arn or search.arn(kind.service, f"{kind.arns[1]}/{item.id}"),
                environment=environment,
                show=search.command(kind.command(item.id)),
                tags=item.tags,
                created=moment(item.created),
                facts=item.facts,
                ending=item.ending,
            )


def _unknown(search: Search) -> Iterator[Resource]:
    """What the tagging API names and no row knows. Of the kinds that have one it names for hours what is
    gone: there, the service itself has the last word."""
    for arn, tags in search.tagged.items():
        service, rest = arn.split(":")[2], arn.split(":", 5)[5]
        separated = rest.replace(":", "/").split("/", 1)
        kind = separated[0] if len(separated) > 1 else ""
        environment = search.whose(tags) if (service, kind) not in _ARNS else None
        if environment is not None:
            yield Resource(
                service=service,
                kind=kind,
                id=separated[-1],
                arn=arn,
                environment=environment,
                show=search.command(f"{TAGGING_API} get-resources --resource-arn-list {arn}"),
                tags=tags,
                known=False,
            )


def delete(search: Search, resource: Resource) -> None:
    """Deletes one resource; CloudError if the cloud refuses, InUse if something else comes first."""
    kind = kind_of(resource)
    if kind is None or kind.delete is None:
        raise InUse(
            f"{resource.label} is not known to this kit",
            "Delete it with the tool that made it.",
            resource.show,
        )
    with errors.translated(f"delete {resource.label}"):
        try:
            kind.delete(search, resource)
        except ClientError as error:
            if not errors.is_gone(error):
                raise

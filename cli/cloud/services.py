"""Every service in one list, and the order in which their resources can go."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from botocore.exceptions import ClientError

from cli.cloud import (
    ec2,
    ec2_deletion,
    ecr,
    eks,
    errors,
    iam,
    kms,
    load_balancing,
    logs,
    other,
    rds,
    s3,
)
from cli.cloud.resource import Resource, Search

FINDERS: Mapping[str, Callable[[Search], Iterator[Resource]]] = {
    ec2.SERVICE: ec2.find,
    load_balancing.SERVICE: load_balancing.find,
    eks.SERVICE: eks.find,
    rds.SERVICE: rds.find,
    iam.SERVICE: iam.find,
    ecr.SERVICE: ecr.find,
    s3.SERVICE: s3.find,
    logs.SERVICE: logs.find,
    kms.SERVICE: kms.find,
    "": other.find,
}
"""By service; the last looks at all others."""

DELETERS: Mapping[str, Callable[[Search, Resource], None]] = {
    ec2.SERVICE: ec2_deletion.delete,
    load_balancing.SERVICE: load_balancing.delete,
    eks.SERVICE: eks.delete,
    rds.SERVICE: rds.delete,
    iam.SERVICE: iam.delete,
    ecr.SERVICE: ecr.delete,
    s3.SERVICE: s3.delete,
    logs.SERVICE: logs.delete,
    kms.SERVICE: kms.delete,
}

ORDER = (
    "elasticloadbalancing load-balancer",
    "elasticloadbalancing classic-load-balancer",
    "elasticloadbalancing target-group",
    "eks pod-identity-association",
    "eks cluster",
    "ec2 instance",
    "rds db",
    "rds snapshot",
    "rds subnet-group",
    "ec2 natgateway",
    "ec2 vpc-endpoint",
    "ec2 network-interface",
    "ec2 volume",
    "ec2 snapshot",
    "ec2 elastic-ip",
    "ec2 security-group",
    "ec2 launch-template",
    "ec2 key-pair",
    "ec2 internet-gateway",
    "ec2 subnet",
    "ec2 route-table",
    "ec2 vpc",
    # Last of all: a cluster writes the end of its log while it goes.
    "logs log-group",
    "iam user",
    "iam group",
    "iam instance-profile",
    "iam role",
    "iam policy",
    "iam oidc-provider",
    "ecr image",
    "ecr repository",
    "s3 objects",
    "s3",
    "kms key",
)
"""What stands on something comes before it."""


def find(search: Search, services: Iterable[str] = FINDERS) -> list[Resource]:
    """Everything that is looked for, each once, in the order in which it can go."""
    found: dict[str, Resource] = {}
    with errors.translated("list resources"):
        for service in services:
            for resource in FINDERS[service](search):
                found.setdefault(resource.arn, resource)
    return sorted(found.values(), key=lambda resource: (_place(resource), resource.arn))


def _place(resource: Resource) -> int:
    kind = f"{resource.service} {resource.kind}".strip()
    return ORDER.index(kind) if kind in ORDER else len(ORDER)


def delete(search: Search, resource: Resource) -> None:
    """Takes one resource away; CloudError if the cloud refuses, InUse if something else comes first."""
    work = DELETERS.get(resource.service, other.delete)
    with errors.translated(f"delete {resource.label}"):
        try:
            work(search, resource)
        except ClientError as error:
            if not errors.is_gone(error):
                raise

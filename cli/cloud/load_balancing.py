"""Load balancers and target groups, of both generations: made by controllers, in no state."""

from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from cli.cloud.errors import is_gone
from cli.cloud.resource import Resource, Search, everything, moment, pairs, portions

SERVICE = "elasticloadbalancing"

PER_CALL = 20
"""How many resources' tags AWS tells at once."""


def find(search: Search) -> Iterator[Resource]:
    yield from _balancers(search)
    yield from _target_groups(search)
    yield from _classic(search)


def _balancers(search: Search) -> Iterator[Resource]:
    elb = search.client("elbv2")
    found = {
        item["LoadBalancerArn"]: item
        for item in everything(elb, "describe_load_balancers", "LoadBalancers")
    }
    for arn, tags in _tags(elb, list(found)):
        environment = search.whose(tags)
        if environment is not None:
            yield Resource(
                service=SERVICE,
                kind="load-balancer",
                id=arn,
                arn=arn,
                environment=environment,
                show=search.command(f"elbv2 describe-load-balancers --load-balancer-arns {arn}"),
                tags=tags,
                created=moment(found[arn].get("CreatedTime")),
                facts={
                    "Type": found[arn].get("Type"),
                    "SecurityGroups": found[arn].get("SecurityGroups", []),
                },
            )


def _target_groups(search: Search) -> Iterator[Resource]:
    elb = search.client("elbv2")
    arns = [
        item["TargetGroupArn"] for item in everything(elb, "describe_target_groups", "TargetGroups")
    ]
    for arn, tags in _tags(elb, arns):
        environment = search.whose(tags)
        if environment is not None:
            yield Resource(
                service=SERVICE,
                kind="target-group",
                id=arn,
                arn=arn,
                environment=environment,
                show=search.command(f"elbv2 describe-target-groups --target-group-arns {arn}"),
                tags=tags,
            )


def _tags(elb: Any, arns: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    for some in portions(arns, PER_CALL):
        for item in _described(elb, "ResourceArns", some):
            yield str(item["ResourceArn"]), pairs(item["Tags"])


def _described(elb: Any, argument: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """Names and tags of those that are still there.

    One that went after it was listed, as while its controller works, fails the call for all: then
    they are asked for one by one.
    """
    try:
        found: list[dict[str, Any]] = elb.describe_tags(**{argument: names})["TagDescriptions"]
    except ClientError as error:
        if not is_gone(error):
            raise
        if len(names) == 1:
            return []
        return [item for name in names for item in _described(elb, argument, [name])]
    return found


def _classic(search: Search) -> Iterator[Resource]:
    """Those of Kubernetes' own cloud provider, where no controller is installed."""
    elb = search.client("elb")
    found = {
        item["LoadBalancerName"]: item
        for item in everything(elb, "describe_load_balancers", "LoadBalancerDescriptions")
    }
    for some in portions(list(found), PER_CALL):
        for item in _described(elb, "LoadBalancerNames", some):
            name, tags = str(item["LoadBalancerName"]), pairs(item["Tags"])
            environment = search.whose(tags)
            if environment is not None:
                yield Resource(
                    service=SERVICE,
                    kind="classic-load-balancer",
                    id=name,
                    arn=search.arn(SERVICE, f"loadbalancer/{name}"),
                    environment=environment,
                    show=search.command(
                        f"elb describe-load-balancers --load-balancer-names {name}"
                    ),
                    tags=tags,
                    created=moment(found[name].get("CreatedTime")),
                    facts={"Type": "classic"},
                )


def delete(search: Search, resource: Resource) -> None:
    if resource.kind == "classic-load-balancer":
        search.client("elb").delete_load_balancer(LoadBalancerName=resource.id)
        return
    elb = search.client("elbv2")
    if resource.kind == "target-group":
        elb.delete_target_group(TargetGroupArn=resource.id)
        return
    protection = "deletion_protection.enabled"
    attributes = elb.describe_load_balancer_attributes(LoadBalancerArn=resource.id)["Attributes"]
    if {"Key": protection, "Value": "true"} in attributes:
        elb.modify_load_balancer_attributes(
            LoadBalancerArn=resource.id, Attributes=[{"Key": protection, "Value": "false"}]
        )
    elb.delete_load_balancer(LoadBalancerArn=resource.id)

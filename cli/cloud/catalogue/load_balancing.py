"""Load balancers and target groups, of both generations: made by controllers, in no state."""

from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from cli.cloud.catalogue.kind import Item, Kind, call, hourly
from cli.cloud.errors import is_gone
from cli.cloud.resource import Resource, Search, batches, everything, pairs

SERVICE = "elasticloadbalancing"

PER_CALL = 20
"""How many resources' tags AWS tells at once."""


def _listed(
    search: Search, client: str, operation: str, result: str, named: tuple[str, str]
) -> Iterator[Item]:
    """Lists each with its tags, which AWS gives in a call of their own. `named`: the field that names it, and the argument for it."""
    elb, (name, argument) = search.client(client), named
    found = {str(item[name]): item for item in everything(elb, operation, result)}
    for some in batches(list(found), PER_CALL):
        for tagged in described(elb, argument, some):
            key = str(tagged[argument.removesuffix("s")])
            arn = "" if client == "elb" else key
            created = found[key].get("CreatedTime")
            yield Item(key, arn, pairs(tagged["Tags"]), created=created, facts=found[key])


def described(elb: Any, argument: str, names: Sequence[str]) -> list[dict[str, Any]]:
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
        return [item for name in names for item in described(elb, argument, [name])]
    return found


def _balancers(search: Search) -> Iterator[Item]:
    named = ("LoadBalancerArn", "ResourceArns")
    return _listed(search, "elbv2", "describe_load_balancers", "LoadBalancers", named)


def _target_groups(search: Search) -> Iterator[Item]:
    named = ("TargetGroupArn", "ResourceArns")
    return _listed(search, "elbv2", "describe_target_groups", "TargetGroups", named)


def _classic(search: Search) -> Iterator[Item]:
    """Those of Kubernetes' own cloud provider, where no controller is installed."""
    named = ("LoadBalancerName", "LoadBalancerNames")
    return _listed(search, "elb", "describe_load_balancers", "LoadBalancerDescriptions", named)


def _delete_balancer(search: Search, resource: Resource) -> None:
    elb, named = search.client("elbv2"), {"LoadBalancerArn": resource.id}
    protection = "deletion_protection.enabled"
    attributes = elb.describe_load_balancer_attributes(**named)["Attributes"]
    if {"Key": protection, "Value": "true"} in attributes:
        elb.modify_load_balancer_attributes(
            **named, Attributes=[{"Key": protection, "Value": "false"}]
        )
    elb.delete_load_balancer(**named)


KINDS = (
    Kind(
        service=SERVICE,
        name="load-balancer",
        arn="loadbalancer",
        list=_balancers,
        delete=_delete_balancer,
        show="elbv2 describe-load-balancers --load-balancer-arns {id}",
        price=hourly("load balancer", "elb"),
    ),
    Kind(
        service=SERVICE,
        name="classic-load-balancer",
        arn="loadbalancer",
        list=_classic,
        delete=call("elb", "delete_load_balancer", "LoadBalancerName"),
        show="elb describe-load-balancers --load-balancer-names {id}",
        price=hourly("load balancer", "elb-classic"),
    ),
    Kind(
        service=SERVICE,
        name="target-group",
        arn="targetgroup",
        list=_target_groups,
        delete=call("elbv2", "delete_target_group", "TargetGroupArn"),
        show="elbv2 describe-target-groups --target-group-arns {id}",
    ),
    # They go with their load balancer.
    Kind(service=SERVICE, name="listener"),
    Kind(service=SERVICE, name="listener-rule"),
)

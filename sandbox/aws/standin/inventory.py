"""The tagging API's GetResources over every service that the kit uses.

MiniStack's own sees S3, KMS, ECR and a few others. An inventory that misses a service would
call an account empty that is not, so here each service is listed from its resources, and a
failure is an error. A KMS key that waits for its deletion is listed, as on AWS.
"""

from collections.abc import Callable, Iterator
from typing import Any

from sandbox.aws.standin import emulator, internals
from sandbox.aws.standin.call import Call, Handler, json_answer
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.internals import records

Tags = dict[str, str]
Resource = tuple[str, Tags]
"""An ARN and its tags."""

PAGE = 50

EC2 = {
    "vpcs": "vpc",
    "subnets": "subnet",
    "internet_gateways": "internet-gateway",
    "nat_gateways": "natgateway",
    "addresses": "elastic-ip",
    "route_tables": "route-table",
    "security_groups": "security-group",
    "instances": "instance",
    "volumes": "volume",
    "snapshots": "snapshot",
    "images": "image",
    "network_interfaces": "network-interface",
    "network_acls": "network-acl",
    "vpc_endpoints": "vpc-endpoint",
    "launch_templates": "launch-template",
    "flow_logs": "vpc-flow-log",
    "egress_igws": "egress-only-internet-gateway",
    "dhcp_options": "dhcp-options",
}
"""MiniStack's store of each resource type, and the type's name in ARNs."""


def handler(inner: Handler) -> Handler:
    """GetResources here; MiniStack answers the rest of the API for the services it knows."""
    internals.add_resource_tags(COLLECTORS, lambda name: COLLECTORS[name]())

    async def answer(call: Call) -> Answer:
        return get_resources(call.json()) if call.action == "GetResources" else await inner(call)

    return answer


def get_resources(asked: dict[str, Any]) -> Answer:
    unknown = asked.keys() - {
        "PaginationToken",
        "ResourceARNList",
        "ResourcesPerPage",
        "ResourceTypeFilters",
        "TagFilters",
    }
    if unknown:
        return emulator.error(
            "InvalidParameterException", f"GetResources does not support {sorted(unknown)[0]} here"
        )
    found = sorted(item for item in everything() if item[1] and _wanted(item, asked))
    start = int(asked.get("PaginationToken") or 0)
    end = start + int(asked.get("ResourcesPerPage") or PAGE)
    return json_answer(
        {
            "ResourceTagMappingList": [
                {
                    "ResourceARN": arn,
                    "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                }
                for arn, tags in found[start:end]
            ],
            "PaginationToken": str(end) if end < len(found) else "",
        }
    )


def _wanted(resource: Resource, asked: dict[str, Any]) -> bool:
    arn, tags = resource
    arns, types = asked.get("ResourceARNList"), asked.get("ResourceTypeFilters")
    if arns and arn not in arns:
        return False
    if types and not any(_is_type(arn, name) for name in types):
        return False
    return all(
        rule["Key"] in tags and (not rule.get("Values") or tags[rule["Key"]] in rule["Values"])
        for rule in asked.get("TagFilters", [])
    )


def _is_type(arn: str, name: str) -> bool:
    service, _, kind = name.partition(":")
    parts = arn.split(":", 5)
    return parts[2] == service and (not kind or parts[5].startswith((f"{kind}/", f"{kind}:")))


def everything() -> Iterator[Resource]:
    """Each taggable resource of the caller's account and region, tagged or not."""
    for collect in COLLECTORS.values():
        yield from collect()


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{emulator.region()}:{emulator.account()}:{resource}"


def _pairs(tags: list[dict[str, str]] | None) -> Tags:
    """AWS' usual form of tags as a dict; KMS and ECS have names of their own for the members."""
    return {
        tag.get("Key", tag.get("TagKey", "")): tag.get("Value", tag.get("TagValue", ""))
        for tag in tags or []
    }


def _ec2() -> Iterator[Resource]:
    ec2 = records("ec2")
    for store, kind in EC2.items():
        for key, record in getattr(ec2, store).items():
            if not _gone(record.get("State")):
                yield _arn("ec2", f"{kind}/{key}"), _pairs(ec2.tags.get(key))
    for pair in ec2.key_pairs.values():
        key = pair["KeyPairId"]
        yield _arn("ec2", f"key-pair/{key}"), _pairs(ec2.tags.get(key))


def _gone(state: object) -> bool:
    """EC2 shows an instance or a NAT gateway for a while after its end."""
    return (state.get("Name") if isinstance(state, dict) else state) in ("deleted", "terminated")


def _eks() -> Iterator[Resource]:
    eks = records("eks")
    for store, member in (
        (eks.clusters, "arn"),
        (eks.nodegroups, "nodegroupArn"),
        (eks.addons, "addonArn"),
        (eks.access_entries, "accessEntryArn"),
        (eks.pod_identity_associations, "associationArn"),
    ):
        for record in store.values():
            yield record[member], dict(eks.tags.get(record[member], {}))


def _iam() -> Iterator[Resource]:
    iam = records("iam")
    for store in (iam.users, iam.roles, iam.policies, iam.instance_profiles):
        for record in store.values():
            yield record["Arn"], _pairs(record.get("Tags"))
    for arn, record in iam.oidc_providers.items():
        yield record.get("Arn", arn), _pairs(record.get("Tags"))


def _s3() -> Iterator[Resource]:
    s3 = records("s3")
    for name in s3.buckets:
        if emulator.service("s3").bucket_region(name) == emulator.region():
            yield f"arn:aws:s3:::{name}", dict(s3.bucket_tags.get(name) or {})


def _kms() -> Iterator[Resource]:
    for key, record in records("kms").keys.items():
        yield _arn("kms", f"key/{key}"), _pairs(record.get("Tags"))


def _ecr() -> Iterator[Resource]:
    for name, record in records("ecr").repositories.items():
        yield _arn("ecr", f"repository/{name}"), _pairs(record.get("tags"))


def _logs() -> Iterator[Resource]:
    for name, record in records("cloudwatch_logs").log_groups.items():
        yield _arn("logs", f"log-group:{name}"), dict(record.get("tags") or {})


def _rds() -> Iterator[Resource]:
    rds = records("rds")
    for store, member in (
        (rds.instances, "DBInstanceArn"),
        (rds.clusters, "DBClusterArn"),
        (rds.subnet_groups, "DBSubnetGroupArn"),
        (rds.param_groups, "DBParameterGroupArn"),
        (rds.snapshots, "DBSnapshotArn"),
        (rds.db_cluster_param_groups, "DBClusterParameterGroupArn"),
    ):
        for record in store.values():
            yield record[member], _pairs(rds.tags.get(record[member]))


def _load_balancers() -> Iterator[Resource]:
    alb = records("alb")
    for store in (alb.lbs, alb.tgs, alb.listeners, alb.rules):
        for arn in store:
            yield arn, _pairs(alb.tags.get(arn))
    for collect in MORE_LOAD_BALANCERS:
        yield from collect()


MORE_LOAD_BALANCERS: list[Callable[[], Iterator[Resource]]] = []
"""An extension's: load balancers that MiniStack does not have."""


def _budgets() -> Iterator[Resource]:
    budgets = records("budgets")
    for name in budgets.budgets:
        arn = f"arn:aws:budgets::{emulator.account()}:budget/{name}"
        yield arn, dict(budgets.tags.get(arn) or {})


def _events() -> Iterator[Resource]:
    events = records("eventbridge")
    for record in events.rules.values():
        yield record["Arn"], dict(events.tags.get(record["Arn"]) or {})


def _queues() -> Iterator[Resource]:
    for record in records("sqs").queues.values():
        yield record["attributes"]["QueueArn"], dict(record.get("tags") or {})


def _secrets() -> Iterator[Resource]:
    for record in records("secretsmanager").secrets.values():
        yield record["ARN"], _pairs(record.get("Tags"))


def _parameters() -> Iterator[Resource]:
    ssm = records("ssm")
    for record in ssm.parameters.values():
        yield record["ARN"], dict(ssm.tags.get(record["ARN"]) or {})


COLLECTORS: dict[str, Callable[[], Iterator[Resource]]] = {
    "budgets": _budgets,
    "ec2": _ec2,
    "ecr": _ecr,
    "eks": _eks,
    "elasticloadbalancing": _load_balancers,
    "events": _events,
    "iam": _iam,
    "kms": _kms,
    "logs": _logs,
    "rds": _rds,
    "s3": _s3,
    "secretsmanager": _secrets,
    "sqs": _queues,
    "ssm": _parameters,
}
"""By the service's name in ARNs."""

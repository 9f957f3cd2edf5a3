"""Elastic Load Balancing: what MiniStack leaves out of ELBv2, and classic load balancers.

Kubernetes makes load balancers outside any program's state; a teardown has to find them. Those
that Kubernetes' own cloud provider makes are classic ones, which MiniStack does not have: here
they are records with tags.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from sandbox.aws.standin import dependencies, emulator, inventory
from sandbox.aws.standin.call import Call, Handler
from sandbox.aws.standin.classic import NAMESPACE
from sandbox.aws.standin.classic import VERSION as CLASSIC
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.internals import records
from sandbox.aws.standin.services import Services

STATE = "classic_load_balancers"

Balancer = dict[str, Any]


class Classic:
    """The account's classic load balancers, on disk before each answer."""

    def __init__(self) -> None:
        self.all: dict[str, Balancer] = emulator.read_state(STATE) or {}

    def of_region(self) -> Iterator[Balancer]:
        return (item for item in self.all.values() if item["region"] == emulator.region())

    def find(self, name: str) -> Balancer | None:
        return self.all.get(f"{emulator.region()}/{name}")

    def put(self, balancer: Balancer) -> None:
        self.all[f"{balancer['region']}/{balancer['name']}"] = balancer
        emulator.write_state(STATE, self.all)

    def remove(self, name: str) -> None:
        if self.all.pop(f"{emulator.region()}/{name}", None) is not None:
            emulator.write_state(STATE, self.all)


def classic() -> Classic:
    return _classic[0]


_classic: list[Classic] = []
"""One, made when the service is installed: the collectors of the inventory look at it too."""


def register(services: Services) -> None:
    services.wrap("elasticloadbalancing", handler)
    inventory.MORE_LOAD_BALANCERS.append(_with_tags)
    dependencies.OTHERS.append(_users)


def _with_tags() -> Iterator[inventory.Resource]:
    for balancer in classic().of_region():
        yield balancer["arn"], dict(balancer["tags"])


def _users(key: str) -> Iterator[str]:
    """The balancers in a subnet or a group."""
    for balancer in classic().of_region():
        if key in [*balancer["subnets"], *balancer["groups"]]:
            yield balancer["arn"]


def handler(inner: Handler) -> Handler:
    _classic[:] = [Classic()]

    async def answer(call: Call) -> Answer:
        if call.parameter("Version") == CLASSIC:
            return _classic_answer(call)
        refusal = _group_in_use(call)
        if refusal:
            return refusal
        before = set(records("alb").lbs)
        result = await inner(call)
        if result[0] < 300:
            _complete(before)
            if call.action == "DeleteLoadBalancer":
                _remove_listeners(call.parameter("LoadBalancerArn"))
        return result

    return answer


def _complete(before: set[str]) -> None:
    """The network of a new load balancer, which follows from its subnets."""
    alb, ec2 = records("alb"), records("ec2")
    for arn in set(alb.lbs) - before:
        for subnet in alb.lbs[arn]["Subnets"][:1]:
            alb.lbs[arn]["VpcId"] = ec2.subnets.get(subnet, {}).get("VpcId", "")


def _remove_listeners(balancer: str) -> None:
    alb = records("alb")
    gone = {arn for arn, item in alb.listeners.items() if item["LoadBalancerArn"] == balancer}
    rules = {arn for arn, item in alb.rules.items() if item["ListenerArn"] in gone}
    for arn in gone:
        alb.listeners.pop(arn, None)
    for arn in rules:
        alb.rules.pop(arn, None)
    for arn in gone | rules:
        alb.tags.pop(arn, None)


def _group_in_use(call: Call) -> Answer | None:
    if call.action != "DeleteTargetGroup":
        return None
    alb, group = records("alb"), call.parameter("TargetGroupArn")
    actions = [
        action
        for item in (*alb.listeners.values(), *alb.rules.values())
        for action in item.get("DefaultActions", item.get("Actions", []))
    ]
    if any(action.get("TargetGroupArn") == group for action in actions):
        return emulator.query_error(
            "ResourceInUse", f"Target group '{group}' is currently in use by a listener or a rule"
        )
    return None


def _classic_answer(call: Call) -> Answer:
    names = _members(call, "LoadBalancerNames.member")
    one = call.parameter("LoadBalancerName")
    missing = [name for name in names if classic().find(name) is None]
    if missing:
        return emulator.query_error(
            "LoadBalancerNotFound", f"There is no ACTIVE Load Balancer named '{missing[0]}'"
        )
    match call.action:
        case "CreateLoadBalancer":
            return _create(call, one)
        case "DescribeLoadBalancers":
            shown = [item for item in classic().of_region() if not names or item["name"] in names]
            described = "".join(_described(item) for item in shown)
            return _xml(
                call,
                f"<LoadBalancerDescriptions>{described}</LoadBalancerDescriptions>",
            )
        case "DeleteLoadBalancer":
            classic().remove(one)
            return _xml(call, "")
        case "AddTags" | "RemoveTags":
            return _tag(call, names)
        case "DescribeTags":
            shown = [item for item in classic().of_region() if item["name"] in names]
            tags = "".join(_tags(item) for item in shown)
            return _xml(call, f"<TagDescriptions>{tags}</TagDescriptions>")
    return emulator.query_error(
        "InvalidAction", f"The sandbox's classic load balancers do not have {call.action}"
    )


def _create(call: Call, name: str) -> Answer:
    if classic().find(name):
        return emulator.query_error(
            "DuplicateLoadBalancerName",
            f"The specified load balancer name '{name}' already exists.",
        )
    ec2, subnets = records("ec2"), _members(call, "Subnets.member")
    unknown = [subnet for subnet in subnets if subnet not in ec2.subnets]
    if unknown or not subnets:
        return emulator.query_error(
            "SubnetNotFound", f"The subnet {unknown[:1] or ''} does not exist or is not named"
        )
    region = emulator.region()
    balancer = {
        "region": region,
        "name": name,
        "arn": f"arn:aws:elasticloadbalancing:{region}:{emulator.account()}:loadbalancer/{name}",
        "dns": f"{name}-1234567890.{region}.elb.amazonaws.com",
        "scheme": call.parameter("Scheme") or "internet-facing",
        "subnets": subnets,
        "groups": _members(call, "SecurityGroups.member"),
        "vpc": ec2.subnets[subnets[0]]["VpcId"],
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "tags": _pairs(call),
    }
    classic().put(balancer)
    return _xml(call, f"<DNSName>{escape(str(balancer['dns']))}</DNSName>")


def _tag(call: Call, names: list[str]) -> Answer:
    keys = _members(call, "Tags.member", ".Key")
    for balancer in [item for item in classic().of_region() if item["name"] in names]:
        if call.action == "AddTags":
            balancer["tags"] |= _pairs(call)
        else:
            for key in keys:
                balancer["tags"].pop(key, None)
        classic().put(balancer)
    return _xml(call, "")


def _pairs(call: Call) -> dict[str, str]:
    keys = _members(call, "Tags.member", ".Key")
    return {key: call.parameter(f"Tags.member.{n}.Value") for n, key in enumerate(keys, 1)}


def _members(call: Call, prefix: str, suffix: str = "") -> list[str]:
    found: list[str] = []
    while value := call.parameter(f"{prefix}.{len(found) + 1}{suffix}"):
        found.append(value)
    return found


def _described(item: Balancer) -> str:
    subnets = "".join(f"<member>{subnet}</member>" for subnet in item["subnets"])
    groups = "".join(f"<member>{group}</member>" for group in item["groups"])
    return (
        f"<member><LoadBalancerName>{escape(item['name'])}</LoadBalancerName>"
        f"<DNSName>{escape(item['dns'])}</DNSName><Scheme>{escape(item['scheme'])}</Scheme>"
        f"<VPCId>{item['vpc']}</VPCId><Subnets>{subnets}</Subnets>"
        f"<SecurityGroups>{groups}</SecurityGroups><Instances/><ListenerDescriptions/>"
        f"<CreatedTime>{item['created']}</CreatedTime></member>"
    )


def _tags(item: Balancer) -> str:
    tags = "".join(
        f"<member><Key>{escape(key)}</Key><Value>{escape(value)}</Value></member>"
        for key, value in item["tags"].items()
    )
    name = escape(item["name"])
    return f"<member><LoadBalancerName>{name}</LoadBalancerName><Tags>{tags}</Tags></member>"


def _xml(call: Call, result: str) -> Answer:
    action = re.sub(r"\W", "", call.action)
    body = (
        f'<{action}Response xmlns="{NAMESPACE}"><{action}Result>{result}</{action}Result>'
        "<ResponseMetadata><RequestId>sandbox</RequestId></ResponseMetadata>"
        f"</{action}Response>"
    )
    return 200, {"Content-Type": "text/xml"}, body.encode()

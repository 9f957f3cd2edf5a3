"""The account's limits, against what `up` will start. Nothing here changes anything.

What the environment has already does not count as in use by others: a second run must not ask for
the same things twice.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from botocore.exceptions import ClientError

from cli.base.errors import UserError
from cli.cloud.errors import code_of
from cli.cloud.resource import batches, everything, pairs
from cli.operations.bootstrap.aws import Aws
from cli.operations.bootstrap.requested_settings import RequestedSettings
from infra.contract.clusters import CLUSTER
from infra.contract.naming import TAG_ENVIRONMENT, Names
from infra.contract.sizes import ZONES

TYPES_PER_CALL = 100

NODES_TAG = "eks:cluster-name"
"""EKS puts it on the instances of a node group, which do not carry our tags."""


@dataclass(frozen=True)
class Quota:
    """One of AWS's limits."""

    service: str
    code: str
    name: str


ADDRESSES = Quota("ec2", "L-0263D0A3", "Elastic IPs")
NETWORKS = Quota("vpc", "L-F678F1CE", "VPCs")
ON_DEMAND = Quota("ec2", "L-1216C47A", "vCPUs of on-demand instances (standard families)")
SPOT = Quota("ec2", "L-34B43A08", "vCPUs of spot instances (standard families)")


@dataclass(frozen=True)
class Need:
    """A limit, what others use of it, and what the environment takes."""

    quota: Quota
    limit: int
    used: int
    needed: int
    """From the first `up` on."""

    most: int
    """With all the nodes that its tasks may have; more than is there makes tasks wait, and stops no deployment."""

    @property
    def shortfall(self) -> int:
        return max(0, self.used + self.needed - self.limit)

    def __str__(self) -> str:
        text = f"quota {self.quota.name}: {self.limit}, in use {self.used}, needed {self.needed}"
        if self.most == self.needed:
            return text
        text += f", with all nodes for tasks {self.most}"
        if (missing := self.used + self.most - self.limit) > 0:
            text += f": {missing} too few, so AWS makes fewer than taskNodeMax, and tasks wait"
        return text

    def data(self) -> dict[str, Any]:
        return asdict(self) | {"shortfall": self.shortfall}


@dataclass(frozen=True)
class RunningInstance:
    """A running instance: what it counts against."""

    kind: str
    spot: bool
    own: bool


def needs(aws: Aws, requested: RequestedSettings, environment: str) -> list[Need]:
    """Every limit that the environment meets."""
    names, ec2 = Names(environment), aws.client("ec2")
    addresses = ec2.describe_addresses()["Addresses"]
    networks = everything(ec2, "describe_vpcs", "Vpcs")
    rancher = 1 if requested.value("rancherEnabled") else 0
    # An existing VPC comes with its ways out.
    made = 0 if requested.value("vpcId") or requested.value(CLUSTER) else 1
    gateways = made * (ZONES if requested.value("natPerZone") else 1)
    addressed = gateways + rancher
    found = [
        (ADDRESSES, _others(addresses, names), addressed, addressed),
        (NETWORKS, _others(networks, names), made, made),
        *_processors(aws, requested, names),
    ]
    return [
        Need(quota, _limit(aws, quota), used, needed, most)
        for quota, used, needed, most in found
        if most
    ]


def check(found: Iterable[Need], region: str) -> None:
    """UserError that names every limit that is too small, and by how much."""
    short = [need for need in found if need.shortfall]
    if not short:
        return
    lines = [
        f"{need.quota.name}: the limit is {need.limit}, {need.used} in use, {need.needed} needed: "
        f"{need.shortfall} too few"
        for need in short
    ]
    first = short[0]
    raise UserError(
        f"The account's quotas in {region} are too small",
        "\n".join(lines)
        + "\nAsk AWS for more and run this again when it is granted, release what nobody uses, or make\n"
        "the environment smaller (--set nodeDesired=1, --set rancherEnabled=false).",
        f"aws service-quotas request-service-quota-increase --region {region} "
        f"--service-code {first.quota.service} --quota-code {first.quota.code} "
        f"--desired-value {first.used + first.needed}",
    )


def _processors(
    aws: Aws, requested: RequestedSettings, names: Names
) -> Iterator[tuple[Quota, int, int, int]]:
    """vCPUs by purchase option, of the families that share AWS's "standard" limits: in use, needed, and at most."""
    node_types: Sequence[str] = requested.value("nodeInstanceTypes")
    task_types: Sequence[str] = (
        requested.value("taskNodeTypes") if requested.value("taskNodes") else ()
    )
    rancher_types = (
        [requested.value("rancherInstanceType")] if requested.value("rancherEnabled") else []
    )
    running = list(_running(aws, names))
    sizes = _sizes(
        aws, {*node_types, *task_types, *rancher_types, *(each.kind for each in running)}
    )

    def count(kinds: Iterable[str]) -> int:
        return sum(sizes.get(kind, 0) for kind in kinds if is_standard(kind))

    # Whichever of several types comes: the largest must fit. In another's cluster none comes.
    count_of_nodes = 0 if requested.value(CLUSTER) else int(requested.value("nodeDesired"))
    nodes = count_of_nodes * max(count([kind]) for kind in node_types)
    of_tasks = int(requested.value("taskNodeMax")) * max(
        (count([kind]) for kind in task_types), default=0
    )
    spot_nodes = bool(requested.value("spot"))
    for quota, spot in ((ON_DEMAND, False), (SPOT, True)):
        used = count(each.kind for each in running if each.spot is spot and not each.own)
        needed = (nodes if spot is spot_nodes else 0) + (0 if spot else count(rancher_types))
        # Where there are no spot instances, on-demand ones come.
        most = needed + (0 if spot and not requested.value("taskNodeSpot") else of_tasks)
        yield quota, used, needed, most


def is_standard(kind: str) -> bool:
    """Whether a type counts against the limits of A, C, D, H, I, M, R, T and Z; others have their own."""
    letters = re.match(r"[a-z]*", kind)
    family = letters[0] if letters else ""
    return family[:1] in set("acdhimrtz") and family not in ("dl", "hpc", "inf", "mac", "trn")


def _running(aws: Aws, names: Names) -> Iterator[RunningInstance]:
    filters = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    for reservation in everything(
        aws.client("ec2"), "describe_instances", "Reservations", Filters=filters
    ):
        for item in reservation["Instances"]:
            spot = item.get("InstanceLifecycle") == "spot"
            yield RunningInstance(str(item["InstanceType"]), spot, _is_own(item, names))


def _sizes(aws: Aws, kinds: Iterable[str]) -> dict[str, int]:
    """vCPUs by instance type."""
    wanted = sorted(kinds)
    pages = (
        aws.client("ec2").describe_instance_types(InstanceTypes=some)
        for some in batches(wanted, TYPES_PER_CALL)
    )
    return {
        str(item["InstanceType"]): int(item["VCpuInfo"]["DefaultVCpus"])
        for page in pages
        for item in page["InstanceTypes"]
    }


def _limit(aws: Aws, quota: Quota) -> int:
    client, arguments = aws.client("service-quotas"), _arguments(quota)
    try:
        answer = client.get_service_quota(**arguments)
    except ClientError as error:
        if code_of(error) != "NoSuchResourceException":
            raise
        # An account that never asked for more has no value of its own.
        answer = client.get_aws_default_service_quota(**arguments)
    return int(answer["Quota"]["Value"])


def _arguments(quota: Quota) -> dict[str, str]:
    return {"ServiceCode": quota.service, "QuotaCode": quota.code}


def _others(items: Iterable[Any], names: Names) -> int:
    return sum(not _is_own(item, names) for item in items)


def _is_own(item: Any, names: Names) -> bool:
    tags = pairs(item.get("Tags"))
    return tags.get(TAG_ENVIRONMENT) == names.environment or tags.get(NODES_TAG) == names.cluster

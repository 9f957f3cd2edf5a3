"""What each branch takes of its base and of the account, how much there is of it, and which setting moves that.

Everything is at rest: Airflow's own pods, while no task runs. What a branch registers is asked of the program itself.
"""

import ipaddress
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import yaml

from cli.base.errors import UserError
from cli.base.paths import ROOT
from cli.base.settings import qualified
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.capacity import nodes
from cli.operations.capacity.nodes import ONE_CLUSTER, Load, Worker
from cli.operations.cost import planned
from cli.operations.cost.things import Thing
from infra.contract import executors
from infra.contract.clusters import CLUSTER
from infra.contract.existing_server import INSTANCE
from infra.contract.logs import ELASTICSEARCH
from infra.contract.metrics import INFLUXDB, TELEGRAF, MonitoringScope
from infra.contract.settings import SETTINGS

ROLE = "aws:iam/role:Role"
IDENTITY = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
SIZES = ("nodeMin", "nodeDesired", "nodeMax", "nodeInstanceTypes", "databaseInstanceClass")
SUBNET = "aws:ec2/subnet:Subnet"
FOR_PODS = "kubernetes.io/role/internal-elb"
"""The tag of private subnets."""

KEPT_IMAGES = "aws:ecr/lifecyclePolicy:LifecyclePolicy"

ROLES = 1000
"""IAM's quota for an account, unless AWS has raised it; what else is in the account is not known here."""

IDENTITIES = 5000
"""Of a cluster."""

NAMESPACES = 10_000
"""What Kubernetes is tested with."""

FOR_SUPERUSERS = 3
IN_CLUSTER = 300 - FOR_SUPERUSERS
"""As `images/postgres/entrypoint` has it."""

RDS_BYTES_OF_A_CONNECTION = 9_531_392
RDS_MOST = 5000

CLASSES = tuple(
    f"db.{name}" for name in ("t4g.medium", "t4g.large", "m7g.xlarge", "m7g.2xlarge", "m7g.4xlarge")
)
"""RDS's classes that are named to whoever needs more, the smallest first."""

CONNECTIONS = 10
"""Of one environment, with PgBouncer or without. At rest five are open (`docs/capacity.md`); a run at work and people who look take
as many again."""

RESERVED = 5
"""Addresses of each subnet that AWS keeps."""


@dataclass(frozen=True)
class Move:
    """What makes room: settings, or words about what no setting is."""

    settings: Mapping[str, str] = field(default_factory=dict)
    words: str = ""

    def __str__(self) -> str:
        given = ", ".join(f"{key}={value}" for key, value in self.settings.items())
        return f"{given} ({self.words})" if given and self.words else given or self.words


@dataclass(frozen=True)
class Limit:
    """Something that there is so much of."""

    what: str
    limit: int
    needs: Callable[[int], int]
    """How much so many branches need of it, with what the base has for itself."""

    move: Callable[[int], "Move"]
    """What gives so much of it."""

    because: Callable[[int], str] = lambda _: ""
    """What makes so many branches need it."""

    def carries(self) -> int:
        """How many branches there is enough for."""
        low, high = 0, 1
        while self.needs(high) <= self.limit and high < 1_000_000:
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.needs(middle) <= self.limit else (low, middle)
        return low


@dataclass(frozen=True)
class Capacity:
    """All limits of a base."""

    environment: str
    executor: str
    node_type: str
    limits: Sequence[Limit]

    @property
    def first(self) -> Limit:
        """The one that is met first."""
        return min(self.limits, key=lambda limit: limit.carries())

    def data(self, counts: Sequence[int]) -> dict[str, Any]:
        return {
            "environment": self.environment,
            "executor": self.executor,
            "nodeType": self.node_type,
            "carries": self.first.carries(),
            "first": self.first.what,
            "limits": [
                {
                    "what": limit.what,
                    "limit": limit.limit,
                    "carries": limit.carries(),
                    "needed": {
                        str(count): {
                            "needed": limit.needs(count),
                            "enough": limit.needs(count) <= limit.limit,
                            "because": limit.because(count),
                        }
                        for count in counts
                    },
                }
                for limit in self.limits
            ],
        }

    def table(self, counts: Sequence[int]) -> list[tuple[str, ...]]:
        """Headings and rows; what is not enough is marked."""
        headings = ("", "there is", "carries", *(f"{count:,} branches" for count in counts))
        rows = [
            (
                limit.what,
                f"{limit.limit:,}",
                f"{limit.carries():,}",
                *(_cell(limit, count) for count in counts),
            )
            for limit in sorted(self.limits, key=lambda limit: limit.carries())
        ]
        return [headings, *rows]


def way_to(wanted: RequestedSettings, environment: str, count: int) -> list[Move]:
    """All that is to be moved before so many branches come. What one of them takes, such as pods, is counted as well."""
    given, moves = dict(wanted.given), dict[str, Move]()
    while True:
        limits = of(RequestedSettings(wanted.configured, given), environment).limits
        found = {
            each.what: each.move(each.needs(count))
            for each in limits
            if each.needs(count) > each.limit
        }
        before = dict(given)
        # Two may ask for workers, one for more than the other.
        for move in sorted(found.values(), key=lambda move: int(move.settings.get("nodeMax", 0))):
            given |= {qualified(key): value for key, value in move.settings.items()}
        moves |= found
        if given == before:
            return list(moves.values())


def of(wanted: RequestedSettings, environment: str) -> Capacity:
    """The limits of a base with these settings. UserError if its workers are of a type that is not known."""
    if cluster := wanted.value(CLUSTER):
        raise UserError(
            f'How many branches "{environment}" carries is not known',
            f"It stands in the cluster {cluster}, whose nodes and addresses are not its own: whoever owns it knows what is free there.",
            "kubectl describe nodes",
        )
    kind = str(wanted.value("nodeInstanceTypes")[0])
    worker = nodes.node(kind)
    if worker is None:
        raise UserError(
            f'How many pods the instance type "{kind}" holds is not known',
            "Known are the families C, M, R and T, from the size on that has room beside EKS's own pods. To count with one:",
            f"./aerodrome capacity {environment} --set 'nodeInstanceTypes=[\"m7i.large\"]'",
        )
    executor, pooled = str(wanted.value("executor")), bool(wanted.value("pgbouncer"))
    each = _airflow(executor, pooled=pooled)
    own = ONE_CLUSTER + each + _base(wanted)

    def workers(count: int) -> tuple[int, str]:
        return worker.needed(own + each * count)

    most = int(wanted.value("nodeMax"))
    base, branch = _things(wanted, environment)
    limits = [
        Limit("workers", most, lambda n: workers(n)[0], _more_workers, lambda n: workers(n)[1]),
        *_connections(wanted),
        *_registered(base, branch),
        Limit("images that stay", _kept_images(base), lambda n: n, _more_images),
        Limit("namespaces", NAMESPACES, lambda n: n, _another_base),
    ]
    if addresses := _addresses(base):
        wider = _wider(str(wanted.value("vpcCidr")))
        limits.append(
            Limit(
                "addresses for pods", addresses, lambda n: workers(n)[0] * worker.addresses, wider
            )
        )
    if executors.executor(executor).needs_redis:
        disks = Limit("disks", most * worker.disks, lambda n: n + 2, _more_disks(worker))
        limits.append(disks)
    return Capacity(environment, executor, kind, limits)


def _things(wanted: RequestedSettings, environment: str) -> tuple[list[Thing], list[Thing]]:
    """What a base registers, and what a branch on it. Sizes change nothing of what is counted here, and the program's answers are
    kept by settings."""
    asked = RequestedSettings(
        *(
            {key: value for key, value in settings.items() if key not in map(qualified, SIZES)}
            for settings in (wanted.configured, wanted.given)
        )
    )
    base, branch = planned.registered(asked, environment)
    return base, branch


def _airflow(executor: str, *, pooled: bool) -> Load:
    processors, memory = planned.requests(executor, pgbouncer=pooled)
    return Load(processors, memory, planned.pod_count(executor, pgbouncer=pooled))


def _base(wanted: RequestedSettings) -> Load:
    """What a base runs beside its own Airflow."""
    found = []
    if wanted.value("database") == "in-cluster":
        found.append(("airflow", "postgres"))
    scope = MonitoringScope(wanted.value("monitoring"))
    if scope.with_metrics:
        found += [("monitoring", INFLUXDB), ("monitoring", TELEGRAF)]
    if scope.with_logs:
        found.append(("monitoring", ELASTICSEARCH))
    return sum((_part(*each) for each in found), Load())


def _part(chart: str, part: str) -> Load:
    values = yaml.safe_load((ROOT / "charts" / chart / "values.yaml").read_text())
    asked = reduce(lambda found, key: found[key], (part, "resources", "requests"), values)
    return Load(planned.quantity(asked["cpu"]), planned.quantity(asked["memory"]), 1)


def _addresses(base: Sequence[Thing]) -> int:
    """Those of the subnets in which pods live; 0 if the network is not the program's."""
    private = [
        ipaddress.IPv4Network(thing.inputs["cidrBlock"])
        for thing in base
        if thing.type == SUBNET and FOR_PODS in thing.inputs["tags"]
    ]
    return sum(subnet.num_addresses - RESERVED for subnet in private)


def _kept_images(base: Sequence[Thing]) -> int:
    """How many images of branches the repository of Airflow's keeps, all together."""
    (policy,) = [
        json.loads(thing.inputs["policy"])
        for thing in base
        if thing.type == KEPT_IMAGES and thing.name.endswith("-airflow")
    ]
    (kept,) = [
        rule["selection"]["countNumber"]
        for rule in policy["rules"]
        if rule["selection"]["tagStatus"] == "any"
    ]
    return int(kept)


def _more_workers(needed: int) -> Move:
    most = SETTINGS["nodeMax"].rule.maximum
    if most is not None and needed > most:
        return Move(words=f"larger nodeInstanceTypes, for nodeMax ends at {most}")
    return Move({"nodeMax": str(needed)}, "and AWS's quota of vCPUs")


def _more_disks(worker: Worker) -> Callable[[int], Move]:
    return lambda needed: _more_workers(-(-needed // worker.disks))


def _wider(network: str) -> Callable[[int], Move]:
    first = network.partition("/")[0]

    def move(needed: int) -> Move:
        for length in range(22, 15, -1):
            # A quarter of the network in each of two zones.
            if 2 * (2 ** (30 - length) - RESERVED) >= needed:
                wide = ipaddress.IPv4Network(f"{first}/{length}", strict=False)
                return Move({"vpcCidr": str(wide)}, "before the first `up`")
        return _another_base(needed)

    return move


def _connections(wanted: RequestedSettings) -> list[Limit]:
    if wanted.value(INSTANCE):
        # How large it is, and what others take of it, no setting says.
        return []
    managed = wanted.value("database") == "rds"
    own = (
        connections_of_class(str(wanted.value("databaseInstanceClass"))) if managed else IN_CLUSTER
    )

    def move(needed: int) -> Move:
        name = next((name for name in CLASSES if connections_of_class(name) >= needed), "")
        if not name:
            return _another_base(needed)
        server = {} if managed else {"database": "rds"}
        return Move({**server, "databaseInstanceClass": name})

    return [Limit("connections of PostgreSQL", own, lambda n: (n + 1) * CONNECTIONS, move)]


def connections_of_class(name: str) -> int:
    """RDS's own default: by the memory of the class."""
    size = planned.size_of(name.removeprefix("db."))
    return 0 if size is None else min(int(size[1] * 2**30) // RDS_BYTES_OF_A_CONNECTION, RDS_MOST)


def _registered(base: Sequence[Thing], branch: Sequence[Thing]) -> list[Limit]:
    own, each = (Counter(thing.type for thing in things) for things in (base, branch))

    def limit(what: str, kind: str, most: int, move: Callable[[int], Move]) -> Limit:
        return Limit(what, most, lambda count: own[kind] + count * each[kind], move)

    return [
        limit("IAM roles of the account", ROLE, ROLES, _more_roles),
        limit("pod identities of the cluster", IDENTITY, IDENTITIES, _another_base),
    ]


def _more_roles(needed: int) -> Move:
    return Move(
        words=f"AWS's quota of IAM roles, to {needed:,} and what else the account has (L-FE177D64)"
    )


def _more_images(needed: int) -> Move:
    return Move(words=f"KEPT_OF_BRANCHES in infra/registry.py, to well over {needed:,}")


def _another_base(_: int) -> Move:
    return Move(words="a second base")


def _cell(limit: Limit, count: int) -> str:
    needed, because = limit.needs(count), limit.because(count)
    mark = "" if needed <= limit.limit else "  too few"
    return f"{needed:,}{f' ({because})' if because else ''}{mark}"

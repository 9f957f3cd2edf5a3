"""A VPC that is there already: whether it is what an environment needs, before anything is made in it.

AWS is asked once, and what it says is judged without it. Nothing here changes anything, and nothing is put right:
the network is somebody else's, who is told what it lacks.
"""

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from cli.base.settings import qualified
from cli.cloud.errors import code_of, translated
from cli.cloud.resource import Client, everything, pairs
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.preflight.refusal import Refusal
from infra.contract import api_endpoints, endpoints, networks
from infra.contract.ingress import ALB
from infra.contract.naming import TAG_ENVIRONMENT
from infra.contract.networks import PRIVATE, PUBLIC, SERVICES, VPC
from infra.contract.tenancy import Tenancy

EVERYWHERE: Final = "0.0.0.0/0"

ATTRIBUTES: Final = ("enableDnsSupport", "enableDnsHostnames")
"""Both are needed for the private names of the Kubernetes API's endpoint."""

INTERNAL_TAG: Final = "kubernetes.io/role/internal-elb"
PUBLIC_TAG: Final = "kubernetes.io/role/elb"
"""By these AWS's controllers find the subnets for load balancers."""

NEEDED_ENDPOINTS: Final = ("ec2", "ecr.api", "ecr.dkr", "eks-auth", "s3", "sts")
"""Without a way out, nodes join and pods get images and credentials through these."""

OF_EKS: Final = 6
"""Free addresses that EKS asks for in each subnet."""

OF_BALANCER: Final = 8
"""And an Application Load Balancer."""

UNKNOWN_SIZE: Final = (3, 10)
"""Network interfaces and addresses of each, of a type that AWS does not describe: those of most `large`."""


@dataclass(frozen=True)
class NetworkRequest:
    """What is asked for."""

    vpc: str
    private: tuple[str, ...]
    public: tuple[str, ...]
    region: str
    types: tuple[str, ...]
    nodes: int
    """With which the cluster starts."""
    most_nodes: int
    rds: bool
    balancer: str
    """The tag of subnets by which a controller finds those for the UI's load balancer; empty without one."""
    made_endpoints: frozenset[str]
    """By AWS's names, those that the environment makes."""
    sessions: bool = False
    """Whether the Kubernetes API is reached through sessions with the nodes."""

    @property
    def subnets(self) -> tuple[str, ...]:
        return (*self.private, *self.public)

    @property
    def of_balancer(self) -> tuple[str, ...]:
        """The subnets that must bear the tag."""
        return {INTERNAL_TAG: self.private, PUBLIC_TAG: self.public}.get(self.balancer, ())


@dataclass(frozen=True)
class NetworkFound:
    """What AWS says, in its own words."""

    account: str
    vpc: Mapping[str, Any] | None
    attributes: Mapping[str, bool]
    subnets: Mapping[str, Mapping[str, Any]]
    tables: Sequence[Mapping[str, Any]]
    endpoints: Sequence[Mapping[str, Any]]
    sizes: Sequence[tuple[int, int]]
    """Of the types of nodes: network interfaces, and addresses of each."""

    def table(self, subnet: str) -> Mapping[str, Any]:
        """The route table of a subnet: its own, or the VPC's main one."""

        def has(table: Mapping[str, Any], key: str, value: Any) -> bool:
            return any(one.get(key) == value for one in table.get("Associations", ()))

        own = [one for one in self.tables if has(one, "SubnetId", subnet)]
        return next(iter([*own, *(one for one in self.tables if has(one, "Main", True))]), {})

    @property
    def networks(self) -> list[str]:
        """The VPC's addresses."""
        found = (self.vpc or {}).get("CidrBlockAssociationSet", ())
        return [
            str(one["CidrBlock"]) for one in found if one["CidrBlockState"]["State"] == "associated"
        ]

    @property
    def zones(self) -> dict[str, str]:
        """By subnet."""
        return {key: str(one["AvailabilityZone"]) for key, one in self.subnets.items()}


def request(requested: RequestedSettings, region: str) -> NetworkRequest | None:
    """None for an environment that makes its own network, or is in its base's."""
    vpc = str(requested.value(VPC))
    if not vpc or requested.value("tenancy") == Tenancy.shared:
        return None
    tasks = bool(requested.value("taskNodes"))
    services = tuple(requested.value("vpcEndpoints"))
    if requested.text(qualified("vpcEndpoints")) is None:
        services = ()
    made = {name for one in services for name in endpoints.INTERFACES.get(one, (one,))}
    return NetworkRequest(
        vpc,
        tuple(requested.value(PRIVATE)),
        tuple(requested.value(PUBLIC)),
        region,
        (
            *requested.value("nodeInstanceTypes"),
            *(requested.value("taskNodeTypes") if tasks else ()),
        ),
        int(requested.value("nodeDesired")),
        int(requested.value("nodeMax")) + (int(requested.value("taskNodeMax")) if tasks else 0),
        requested.value("database") == "rds" and not requested.value("databaseInstance"),
        _balancer(requested),
        frozenset(made),
        api_endpoints.takes_sessions(str(requested.value(api_endpoints.SETTING))),
    )


def _balancer(requested: RequestedSettings) -> str:
    arn, kind = requested.value("uiCertificateArn"), requested.value("uiIngressClass")
    if requested.value("uiHost") and (kind == ALB or (arn and not kind)):
        return INTERNAL_TAG
    return PUBLIC_TAG if requested.value("uiServiceType") == "LoadBalancer" else ""


def check_settings(requested: RequestedSettings) -> Refusal | None:
    """What the settings of a network need of each other, without a question to AWS."""
    if requested.value("tenancy") == Tenancy.shared:
        return None
    keys = (VPC, PRIVATE, PUBLIC, "vpcCidr", "natPerZone", "rancherEnabled")
    values = {key: requested.value(key) for key in keys}
    given = [key for key in keys if requested.text(qualified(key)) is not None]
    for key, words in networks.misfits(values, given):
        remove = f"./aerodrome config rm {key}" if key in ("vpcCidr", "natPerZone") else ""
        shown = requested.text(qualified(key)) or "not set"
        return Refusal(f"{key} is {shown}", f"{words[:1].upper()}{words[1:]}.", key, "", remove)
    return None


def look(client: Client, asked: NetworkRequest) -> NetworkFound:
    """Asks AWS."""
    with translated(f"show the VPC {asked.vpc}"):
        ec2 = client("ec2")
        named = [{"Name": "vpc-id", "Values": [asked.vpc]}]
        vpc = next(everything(ec2, "describe_vpcs", "Vpcs", Filters=named), None)
        return NetworkFound(
            str(client("sts").get_caller_identity()["Account"]),
            vpc,
            {each: _attribute(ec2, asked.vpc, each) for each in ATTRIBUTES} if vpc else {},
            look_at_subnets(client, asked.subnets),
            list(everything(ec2, "describe_route_tables", "RouteTables", Filters=named)),
            list(everything(ec2, "describe_vpc_endpoints", "VpcEndpoints", Filters=named)),
            _sizes(ec2, asked.types),
        )


def look_at_subnets(client: Client, subnets: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Those that there are, by id."""
    named = [{"Name": "subnet-id", "Values": list(subnets)}]
    found = everything(client("ec2"), "describe_subnets", "Subnets", Filters=named)
    return {str(one["SubnetId"]): one for one in found}


def _attribute(ec2: Any, vpc: str, name: str) -> bool:
    answer = ec2.describe_vpc_attribute(VpcId=vpc, Attribute=name)
    return bool(answer[name[:1].upper() + name[1:]]["Value"])


def _sizes(ec2: Any, types: Sequence[str]) -> list[tuple[int, int]]:
    """Whether there are such types is asked elsewhere."""
    try:
        found = ec2.describe_instance_types(InstanceTypes=sorted({*types}))["InstanceTypes"]
    except ClientError as error:
        if code_of(error) != "InvalidInstanceType":
            raise
        return []
    sizes = [one.get("NetworkInfo") or {} for one in found]
    return [
        (int(one["MaximumNetworkInterfaces"]), int(one["Ipv4AddressesPerInterface"]))
        for one in sizes
        if "MaximumNetworkInterfaces" in one
    ]


# -- what is wrong with it -----------------------------------------------------------------


def judge(asked: NetworkRequest, found: NetworkFound) -> Refusal | None:
    """The first thing that an environment cannot do with."""
    steps: Iterable[Callable[[NetworkRequest, NetworkFound], Refusal | None]] = (
        _vpc,
        _subnets,
        _owned,
        _dns,
        _zones,
        _ways_out,
        _public,
        _services,
        _endpoints,
        _tags,
        _addresses,
    )
    return next(filter(None, (step(asked, found) for step in steps)), None)


def _vpc(asked: NetworkRequest, found: NetworkFound) -> Refusal | None:
    if found.vpc is None:
        return Refusal(
            f"There is no VPC {asked.vpc} in {asked.region}",
            f"The account {found.account} has none of that id there. An environment is in one region and one account, "
            "and so is its network.",
            VPC,
            "",
        )
    owner = str(found.vpc.get("OwnerId", found.account))
    if owner != found.account:
        return Refusal(
            f"The VPC {asked.vpc} is of the account {owner}",
            f"The environment is deployed in {found.account}, and VPCs that another account shares are not supported.",
            VPC,
            "",
        )
    return None


def _subnets(asked: NetworkRequest, found: NetworkFound) -> Refusal | None:
    for setting, subnets in ((PRIVATE, asked.private), (PUBLIC, asked.public)):
        for subnet in subnets:
            there = found.subnets.get(subnet)
            if there is None:
                return Refusal(
                    f"There is no subnet {subnet} in {asked.region}",
                    f"{setting} names it, and the account {found.account} has none of that id there.",
                    setting,
                    "",
                )
            if there["VpcId"] != asked.vpc:
                return Refusal(
                    f"The subnet {subnet} is not in {asked.vpc}",
                    f"{setting} names it, and it is in {there['VpcId']}.",
                    setting,
                    "",
                )
    return None


def _owned(asked: NetworkRequest, found: NetworkFound) -> Refusal | None:
    """What bears an environment's tag is deleted with that environment."""
    things = {asked.vpc: found.vpc or {}, **found.subnets}
    for thing, there in things.items():
        if owner := pairs(there.get("Tags")).get(TAG_ENVIRONMENT):
            return Refusal(
                f'{thing} belongs to the environment "{owner}"',
                f"Its tag {TAG_ENVIRONMENT} says so, and `down` of {owner} deletes it. An environment may share all that "
                f"{owner} has, and not its network alone: ./aerodrome up --base {owner}",
                VPC,
                "",
            )
    return None


def _dns(asked: NetworkRequest, found: NetworkFound) -> Refusal | None:
    off = [name for name, on in found.attributes.items() if not on]
    if not off:
        return None
    return Refusal(
        f"The VPC {asked.vpc} has {' and '.join(off)} off",
        "Nodes find the Kubernetes API by a private name, which needs both. Whoever owns the VPC turns them on, one at a time.",
        VPC,
        "",
        f"aws ec2 modify-vpc-attribute --region {asked.region} --vpc-id {asked.vpc} "
        f"--{_dashed(off[0])} '{{\"Value\": true}}'",
    )


def _dashed(name: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)


def _zones(asked: NetworkRequest, found: NetworkFound) -> Refusal | None:
    zones = sorted({found.zones[subnet] for subnet in asked.private})
    if len(zones) >= networks.FEWEST:
        return None
    return Refusal(
        f"{PRIVATE} is in one zone, {zones[0]}",
        "EKS takes subnets of two zones at least, and so does RDS.",
        PRIVATE,
        "",
    )


def _default(table: Mapping[str, Any]) -> Mapping[str, Any]:
    """The route to everywhere; empty if there is none that leads anywhere."""
    for route in table.get("Routes", ()):
        if route.get("DestinationCidrBlock") == EVERYWHERE and route.get("State") != "blackhole":
            return dict(route)
    return {}


def _to_internet(table: Mapping[str, Any]) -> bool:
    return str(_default(table).get("GatewayId", "")).startswith("igw-")


def _ways_out(asked: NetworkRequest, found: NetworkFound) -> Refusal | None:
    """Nodes have no public address: an internet gateway is none for them."""
    public = [subnet for subnet in asked.private if _to_internet(found.table(subnet))]
    if public:
        return Refusal(
            f"{' and '.join(public)} {'leads' if len(public) == 1 else 'lead'} to an internet gateway",
            f"{PRIVATE} is for nodes and pods, which get no public address: they would reach nothing. Name subnets whose "
            "way out is a NAT gateway, a transit gateway or the like.",
            PRIVATE,
            "",
        )
    closed = [subnet for subnet in asked.private if not _default(found.table(subnet))]
    if not closed:
        return None
    start = f"com.amazonaws.{asked.region}."
    there = {str(one["ServiceName"]).removeprefix(start) for one in _usable(found)}
    needed = (
        *NEEDED_ENDPOINTS,
        *(endpoints.INTERFACES["ssm"] if asked.sessions else ()),
    )
    missing = [one for one in needed if one not in there | asked.made_endpoints]
    if not missing:
        return None
    return Refusal(
        f"{' and '.join(closed)} {'has' if len(closed) == 1 else 'have'} no way out",
        f"The route table has no route to {EVERYWHERE} that leads anywhere, so that nodes can neither join nor get images. Whoever owns the "
        f"VPC gives it one, or VPC endpoints; of those that are needed, these are missing: {', '.join(missing)}.",
        PRIVATE,
        "",
    )


def _public(asked: NetworkRequest, found: NetworkFound) -> Refusal | None:
    closed = [subnet for subnet in asked.public if not _to_internet(found.table(subnet))]
    if not closed:
        return None
    return Refusal(
        f"{' and '.join(closed)} {'leads' if len(closed) == 1 else 'lead'} to no internet gateway",
        f"{PUBLIC} is for what people reach from outside: the route to {EVERYWHERE} must lead to an internet gateway.",
        PUBLIC,
        "",
    )


def _services(asked: NetworkRequest, found: NetworkFound) -> Refusal | None:
    ours = [ipaddress.IPv4Network(one) for one in found.networks]

    def meets(services: str) -> bool:
        return any(ipaddress.IPv4Network(services).overlaps(one) for one in ours)

    if not all(meets(one) for one in SERVICES):
        return None
    return Refusal(
        f"The VPC {asked.vpc} has the addresses of the cluster's Services",
        f"EKS takes {' or '.join(SERVICES)} for them, and the VPC's networks ({', '.join(found.networks)}) meet both.",
        VPC,
        "",
    )


def _usable(found: NetworkFound) -> list[Mapping[str, Any]]:
    gone = ("deleted", "deleting", "failed", "rejected", "expired")
    return [one for one in found.endpoints if str(one.get("State", "")).lower() not in gone]


def _endpoints(asked: NetworkRequest, found: NetworkFound) -> Refusal | None:
    """One more with the same private name, or the same route, is refused by AWS."""
    start = f"com.amazonaws.{asked.region}."
    there = {str(one["ServiceName"]).removeprefix(start) for one in _usable(found)}
    both = sorted(there & asked.made_endpoints)
    if not both:
        return None
    return Refusal(
        f"The VPC {asked.vpc} has an endpoint of {' and '.join(both)} already",
        "vpcEndpoints asks for another one, which AWS refuses. What the VPC has is used without the setting.",
        "vpcEndpoints",
        "[]",
    )


def _tags(asked: NetworkRequest, found: NetworkFound) -> Refusal | None:
    """They are another's subnets: the controller that makes load balancers reads the tag, and we do not write it."""
    bare = [
        subnet
        for subnet in asked.of_balancer
        if pairs(found.subnets[subnet].get("Tags")).get(asked.balancer) not in ("1", "")
    ]
    if not bare:
        return None
    return Refusal(
        f"{' and '.join(bare)} {'lacks' if len(bare) == 1 else 'lack'} the tag {asked.balancer}",
        "The UI gets a load balancer, and the controller that makes it finds its subnets by that tag. They are not the "
        "environment's, so it does not tag them: whoever owns them does.",
        PRIVATE if asked.balancer == INTERNAL_TAG else PUBLIC,
        "",
        f"aws ec2 create-tags --region {asked.region} --resources {' '.join(bare)} --tags Key={asked.balancer},Value=1",
    )


def _addresses(asked: NetworkRequest, found: NetworkFound) -> Refusal | None:
    least = OF_EKS + (OF_BALANCER if asked.balancer == INTERNAL_TAG else 0)
    free = {key: int(one["AvailableIpAddressCount"]) for key, one in found.subnets.items()}
    for subnet in asked.private:
        if free[subnet] < least:
            return Refusal(
                f"The subnet {subnet} has {free[subnet]} free addresses",
                f"{least} are needed in each private subnet, for what AWS itself puts there.",
                PRIVATE,
                "",
            )
    have, needed = sum(free[subnet] for subnet in asked.private), needed_addresses(asked, found)
    if have >= needed:
        return None
    return Refusal(
        f"The private subnets have {have} free addresses, and {needed} are needed",
        f"{asked.nodes} nodes to start with (nodeDesired) and one more while they are replaced, {per_node(found, at_start=True)} "
        f"addresses each, and {least} in each subnet for what AWS itself puts there.",
        PRIVATE,
        "",
    )


def per_node(found: NetworkFound, *, at_start: bool) -> int:
    """Addresses that the VPC CNI takes for a node: those of its interface and of one in reserve, and of all when it
    is full."""
    return max(
        (min(interfaces, 2) if at_start else interfaces) * addresses
        for interfaces, addresses in found.sizes or [UNKNOWN_SIZE]
    )


def needed_addresses(asked: NetworkRequest, found: NetworkFound, *, full: bool = False) -> int:
    """In the private subnets together, from the first `up` on, or with all nodes that there may be."""
    least = OF_EKS + (OF_BALANCER if asked.balancer == INTERNAL_TAG else 0)
    nodes = asked.most_nodes if full else asked.nodes
    standing = least * len(asked.private) + (2 if asked.rds else 0)
    return standing + (nodes + 1) * per_node(found, at_start=not full)


def remark(asked: NetworkRequest, found: NetworkFound) -> str:
    """What stops no deployment, and a team should know; empty if there is nothing."""
    have = sum(int(found.subnets[one]["AvailableIpAddressCount"]) for one in asked.private)
    most = needed_addresses(asked, found, full=True)
    if have >= most:
        return ""
    return (
        f"the private subnets have {have} free addresses, and {asked.most_nodes} full nodes take {most}: "
        "beyond what is free AWS makes no node, and pods wait"
    )


def judge_tags(asked: NetworkRequest, subnets: Mapping[str, Mapping[str, Any]]) -> Refusal | None:
    """For what is deployed: of its network only this can be asked for anew."""
    if any(subnet not in subnets for subnet in asked.of_balancer):
        return None
    return _tags(asked, NetworkFound("", None, {}, subnets, (), (), ()))

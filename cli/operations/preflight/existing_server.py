"""An RDS instance that is there already: whether an environment can have its database in it, before anything is made.

As with an existing VPC nothing is changed, and nothing put right: the instance and its security groups are somebody else's, who
is told what is missing, with the command.
"""

import ipaddress
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cli.base.errors import CloudError
from cli.base.settings import qualified
from cli.cloud.errors import translated, unless_gone
from cli.cloud.resource import Client, everything, pairs
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.preflight.existing_network import look_at_subnets
from cli.operations.preflight.refusal import Refusal
from infra.contract import existing_server
from infra.contract.existing_server import ADMIN, INSTANCE, OLDEST, PORT
from infra.contract.naming import TAG_ENVIRONMENT
from infra.contract.networks import PRIVATE, VPC
from infra.contract.secrets_backends import SECRETS_MANAGER
from infra.contract.tenancy import Tenancy

ENGINE: Final = "postgres"

USABLE: Final = (
    *("available", "backing-up", "configuring-enhanced-monitoring", "configuring-log-exports"),
    *("modifying", "storage-optimization", "storage-config-upgrade"),
)
"""What RDS calls an instance that takes connections."""

NEEDED: Final = 25
"""Connections: ten of an environment, twice that while a deployment replaces its pods, and what RDS keeps for itself."""

EVERY: Final = "-1"
TCP: Final = ("tcp", "6", EVERY)


@dataclass(frozen=True)
class ServerRequest:
    """What is asked for."""

    instance: str
    secret: str
    vpc: str
    private: tuple[str, ...]
    region: str


@dataclass(frozen=True)
class ServerFound:
    """What AWS says, in its own words."""

    account: str
    instance: Mapping[str, Any] | None
    subnets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The environment's private ones."""
    groups: Sequence[Mapping[str, Any]] = ()
    """The instance's security groups."""
    most_connections: int = 0
    """0 if nothing says it."""

    @property
    def networks(self) -> list[ipaddress.IPv4Network]:
        """Where pods come from."""
        return [ipaddress.IPv4Network(one["CidrBlock"]) for one in self.subnets.values()]


def request(requested: RequestedSettings, region: str) -> ServerRequest | None:
    """None for an environment whose database is elsewhere, or in its base's server."""
    instance = str(requested.value(INSTANCE))
    if not instance or requested.value("tenancy") == Tenancy.shared:
        return None
    return ServerRequest(
        instance,
        str(requested.value(ADMIN)),
        str(requested.value(VPC)),
        tuple(requested.value(PRIVATE)),
        region,
    )


def check_settings(requested: RequestedSettings, region: str) -> Refusal | None:
    """What the settings need of each other, without a question to AWS."""
    if requested.value("tenancy") == Tenancy.shared:
        return None
    keys = (INSTANCE, ADMIN, VPC, "database", *existing_server.OF_OWN)
    values = {key: requested.value(key) for key in keys}
    given = [key for key in keys if requested.text(qualified(key)) is not None]
    for key, words in existing_server.misfits(values, given, region):
        remove = f"./aerodrome config rm {key}" if key in existing_server.OF_OWN else ""
        value = "rds" if key == "database" else ""
        shown = requested.text(qualified(key)) or "not set"
        return Refusal(f"{key} is {shown}", f"{words[:1].upper()}{words[1:]}.", key, value, remove)
    return None


def look(client: Client, asked: ServerRequest) -> ServerFound:
    """Asks AWS."""
    with translated(f"show the RDS instance {asked.instance}"):
        account = str(client("sts").get_caller_identity()["Account"])
        rds = client("rds")
        answer = unless_gone(rds.describe_db_instances, DBInstanceIdentifier=asked.instance)
        there = next(iter((answer or {}).get("DBInstances", ())), None)
        if there is None:
            return ServerFound(account, None)
        groups = [one["VpcSecurityGroupId"] for one in there.get("VpcSecurityGroups", ())]
        found = client("ec2").describe_security_groups(GroupIds=groups) if groups else {}
        subnets = look_at_subnets(client, asked.private)
        return ServerFound(
            account, there, subnets, found.get("SecurityGroups", ()), _most(rds, there)
        )


def _most(rds: Any, there: Mapping[str, Any]) -> int:
    """Its `max_connections`: a number of its parameter group, or RDS's default by the memory of its class; 0 if it is neither."""
    from cli.operations.capacity.branches import connections_of_class

    names = [one["DBParameterGroupName"] for one in there.get("DBParameterGroups", ())]
    try:
        with translated(f"list the parameters of {there['DBInstanceIdentifier']}"):
            values = [
                str(one.get("ParameterValue", ""))
                for name in names
                for one in everything(
                    rds, "describe_db_parameters", "Parameters", DBParameterGroupName=name
                )
                if one.get("ParameterName") == "max_connections"
            ]
    except CloudError:
        return 0
    if any("{" not in value and not value.isdecimal() for value in values if value):
        return 0
    number = next((int(value) for value in values if value.isdecimal()), 0)
    return number or connections_of_class(str(there.get("DBInstanceClass", "")))


# -- what is wrong with it -----------------------------------------------------------------


def judge(asked: ServerRequest, found: ServerFound) -> Refusal | None:
    """The first thing that an environment cannot do with."""
    if found.instance is None:
        return Refusal(
            f"There is no RDS instance {asked.instance} in {asked.region}",
            f"The account {found.account} has none of that identifier there.",
            INSTANCE,
            "",
        )
    steps: Iterable[Callable[[ServerRequest, ServerFound, Mapping[str, Any]], Refusal | None]] = (
        _engine,
        _owned,
        _state,
        _place,
        _door,
        _connections,
    )
    return next(filter(None, (step(asked, found, found.instance) for step in steps)), None)


def _engine(asked: ServerRequest, found: ServerFound, there: Mapping[str, Any]) -> Refusal | None:
    engine, version = str(there.get("Engine", "")), str(there.get("EngineVersion", ""))
    if engine != ENGINE:
        aurora = " Instances of an Aurora cluster are not supported." if "aurora" in engine else ""
        return Refusal(
            f"The RDS instance {asked.instance} is {engine or 'of an unknown engine'}",
            f"Airflow's metadata needs PostgreSQL.{aurora}",
            INSTANCE,
            "",
        )
    major = version.partition(".")[0]
    if not major.isdecimal() or int(major) < OLDEST:
        return Refusal(
            f"The RDS instance {asked.instance} is PostgreSQL {version}",
            f"It must be {OLDEST} or newer: before, a user that may make users, as Airflow's must for its branches, can take the "
            "place of any other user of the instance.",
            INSTANCE,
            "",
        )
    return None


def _owned(asked: ServerRequest, found: ServerFound, there: Mapping[str, Any]) -> Refusal | None:
    """What bears an environment's tag is deleted with that environment."""
    owner = pairs(there.get("TagList")).get(TAG_ENVIRONMENT)
    if not owner:
        return None
    return Refusal(
        f'{asked.instance} belongs to the environment "{owner}"',
        f"Its tag {TAG_ENVIRONMENT} says so, and `down` of {owner} deletes it. An environment may share all that {owner} has: "
        f"./aerodrome up --base {owner}",
        INSTANCE,
        "",
    )


def _state(asked: ServerRequest, found: ServerFound, there: Mapping[str, Any]) -> Refusal | None:
    status = str(there.get("DBInstanceStatus", ""))
    if status not in USABLE:
        return Refusal(
            f"The RDS instance {asked.instance} is {status or 'in no state'}",
            "It takes no connections now. Wait until it is available, or start it.",
            INSTANCE,
            "",
            f"aws rds wait db-instance-available --region {asked.region} --db-instance-identifier {asked.instance}",
        )
    if not there.get("StorageEncrypted"):
        return Refusal(
            f"The RDS instance {asked.instance} is not encrypted",
            "Airflow's metadata has accounts and the content of variables and XComs. RDS encrypts an instance when it is made, or by a copy of a snapshot.",
            INSTANCE,
            "",
        )
    if there.get("PubliclyAccessible"):
        return Refusal(
            f"The RDS instance {asked.instance} is publicly accessible",
            "It has an address of the Internet. Whoever owns it takes that away.",
            INSTANCE,
            "",
            f"aws rds modify-db-instance --region {asked.region} --db-instance-identifier {asked.instance} --no-publicly-accessible --apply-immediately",
        )
    return None


def _place(asked: ServerRequest, found: ServerFound, there: Mapping[str, Any]) -> Refusal | None:
    vpc = str((there.get("DBSubnetGroup") or {}).get("VpcId", ""))
    if vpc != asked.vpc:
        return Refusal(
            f"The RDS instance {asked.instance} is not in {asked.vpc}",
            f"It is in {vpc or 'no VPC'}, and pods reach it only there: set {VPC} and its subnets to that one.",
            VPC,
            vpc,
        )
    port = (there.get("Endpoint") or {}).get("Port")
    if port != PORT:
        return Refusal(
            f"The RDS instance {asked.instance} listens on {port or 'no port'}",
            f"Branches look for it on {PORT}, and no setting says another one.",
            INSTANCE,
            "",
        )
    return None


def _door(asked: ServerRequest, found: ServerFound, there: Mapping[str, Any]) -> Refusal | None:
    """A rule in another's security group is its owner's to make: his own code would take ours away, and it could have been his."""
    closed = [one for one in found.networks if not _let_in(found, one)]
    if not closed or _lists(found):
        return None
    groups = [str(one["GroupId"]) for one in found.groups]
    named = " and ".join(map(str, closed))
    ranges = ",".join(f"{{CidrIp={one}}}" for one in closed)
    command = (
        f"aws ec2 authorize-security-group-ingress --region {asked.region} --group-id {groups[0]} --ip-permissions "
        f"'IpProtocol=tcp,FromPort={PORT},ToPort={PORT},IpRanges=[{ranges}]'"
        if groups
        else ""
    )
    return Refusal(
        f"The RDS instance {asked.instance} lets nobody in from {named}",
        f"Pods have addresses of {PRIVATE}, and no rule of its security groups ({', '.join(groups) or 'it has none'}) lets these in on port "
        f"{PORT}. Whoever owns the instance adds it; the kit changes nothing of it.",
        INSTANCE,
        "",
        command,
    )


def _rules(found: ServerFound) -> list[Mapping[str, Any]]:
    """Those that let somebody in on the port."""
    rules = [rule for group in found.groups for rule in group.get("IpPermissions", ())]
    return [
        rule
        for rule in rules
        if rule.get("IpProtocol") in TCP
        and (
            rule["IpProtocol"] == EVERY
            or rule.get("FromPort", 0) <= PORT <= rule.get("ToPort", 65_535)
        )
    ]


def _lists(found: ServerFound) -> list[str]:
    """Prefix lists that are let in: what they hold is not looked at."""
    return [
        str(one["PrefixListId"]) for rule in _rules(found) for one in rule.get("PrefixListIds", ())
    ]


def _let_in(found: ServerFound, network: ipaddress.IPv4Network) -> bool:
    """By one rule, or by several together."""
    ranges = [
        ipaddress.IPv4Network(one["CidrIp"])
        for rule in _rules(found)
        for one in rule.get("IpRanges", ())
    ]
    return any(network.subnet_of(one) for one in ipaddress.collapse_addresses(ranges))


def _connections(
    asked: ServerRequest, found: ServerFound, there: Mapping[str, Any]
) -> Refusal | None:
    if not found.most_connections or found.most_connections >= NEEDED:
        return None
    return Refusal(
        f"The RDS instance {asked.instance} takes {found.most_connections} connections",
        f"An environment needs {NEEDED} while a deployment replaces its pods, and ten more for each branch, beside what others take. "
        "max_connections is a parameter of the instance; a larger class has more by default.",
        INSTANCE,
        "",
    )


def remark(found: ServerFound) -> str:
    """What was not looked at, and is no reason to stop."""
    closed = [one for one in found.networks if not _let_in(found, one)]
    if not closed or not (lists := _lists(found)):
        return ""
    return (
        f"not checked before the deployment: whether {', '.join(lists)}, by which the database lets somebody in, "
        f"{'has' if len(lists) == 1 else 'have'} {' and '.join(map(str, closed))}"
    )


# -- the secret of who makes databases -----------------------------------------------------


def check_secret(client: Client, asked: ServerRequest) -> Refusal | None:
    """What is wrong with it. CloudError if AWS does not give it out, which only the Job can read then."""
    account = str(client("sts").get_caller_identity()["Account"])
    if words := existing_server.elsewhere(asked.secret, asked.region, account):
        return Refusal(f"{ADMIN} is {asked.secret}", f"{words[:1].upper()}{words[1:]}.", ADMIN, "")
    with translated(f"read {asked.secret}, the user of {asked.instance} that makes databases"):
        found = unless_gone(client(SECRETS_MANAGER).get_secret_value, SecretId=asked.secret)
    if found is None:
        words = "there is no such secret"
    else:
        words = lacking(str(found.get("SecretString") or ""))
    if not words:
        return None
    return Refusal(
        f"The secret {ADMIN} will not do",
        f"{asked.secret}: {words}. It must be that of a user who may make databases and users, as RDS keeps one for the master user.",
        ADMIN,
        "",
    )


def lacking(content: str) -> str:
    """What a secret's content lacks, which is never repeated; empty if it has a login."""
    try:
        given = json.loads(content)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        return "it has no JSON object with `username` and `password`"
    for part in ("username", "password"):
        if not isinstance(given.get(part), str) or not given[part]:
            return f"it has no `{part}`"
    return ""

"""What a stack contains: the typed, documented configuration of the program.

Pulumi hands the configuration over as strings; `load` turns them into `Settings` and `Secrets` or
raises one `SettingsError` that names every problem. Nothing here touches Pulumi, so that the command
line can print the list without loading it: `python -m infra.settings --json`.
"""

import ast
import dataclasses
import difflib
import itertools
import json
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.naming import ENVIRONMENT_MAX_LENGTH
from infra.rules import (
    Rule,
    at_least,
    check_fernet,
    check_instance_types,
    check_network,
    check_networks,
    parse,
    secret,
    setting,
    type_name,
)

NAMESPACE: Final = "aerodrome"
"""The configuration namespace: Pulumi's project name."""


LOWEST_NODE_PORT: Final = 30_000
"""Where Kubernetes's own range of node ports begins."""


class SettingsError(Exception):
    """The configuration is not usable; `problems` has one line for each fault."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


_NAME = r"[a-z]([a-z0-9]|-(?!-))*(?<!-)"

# What CloudWatch accepts.
_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827)


@dataclass(frozen=True)
class Settings:
    """One environment. Keys are the fields' names in camelCase, under `aerodrome:`."""

    environment: str = setting(
        pattern=rf"(?=.{{1,{ENVIRONMENT_MAX_LENGTH}}}$){_NAME}",
        allowed=(
            f"1 to {ENVIRONMENT_MAX_LENGTH} of a-z, 0-9 and -, starting with a letter, "
            "no - at the end and no --"
        ),
    )
    """The environment's name; part of every name in the account. Required, because a stack's name may
    hold characters that AWS refuses."""

    branch: str = setting(
        "", pattern=r"[^\x00-\x1f]{0,255}", allowed="at most 255 printable characters"
    )
    """The git branch that the environment belongs to, as a tag. Default: none."""

    repository: str = setting(
        "", pattern=r"[^\x00-\x1f]{0,255}", allowed="at most 255 printable characters"
    )
    """The git repository of that branch, like `github.com/owner/name`, as a tag: by it `sweep` knows whose
    branches it may look for. The command line writes it. Default: none."""

    rung: str = setting("dedicated", choices=("dedicated", "shared"))
    """What the environment stands on: a network and a cluster of its own, or those of its base
    environment. Default dedicated; a branch is best off with shared, which costs its pods only. With
    shared, all that describes network, cluster, database server and Rancher is the base's."""

    base: str = setting(
        "",
        pattern=rf"(?=.{{0,{ENVIRONMENT_MAX_LENGTH}}}$)({_NAME})?",
        allowed="the name of an environment",
    )
    """The environment whose cluster, database server, bucket and repositories a shared environment
    uses. Required with rung shared; a dedicated environment has none."""

    expires: str = setting(
        "never",
        pattern=r"never|\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?",
        allowed="never, or a date such as 2027-01-31 or 2027-01-31T18:00:00Z",
    )
    """When the environment may be swept, UTC, as a tag. Default never: a forgotten date must not delete
    production."""

    used: str = setting(
        "", pattern=r"(\d{4}-\d\d-\d\d)?", allowed="a date such as 2027-01-31, or empty"
    )
    """The day when somebody last used the environment, UTC, as a tag. The command line writes it. Default:
    not kept."""

    protect: bool = setting(False)
    """Whether data outlives the stack: the log bucket, the image repositories and an RDS database then
    refuse to be deleted, and the volume of a database in the cluster stays as a disk. Default false: a
    branch must leave nothing."""

    vpc_cidr: str = setting("10.20.0.0/16", check=check_network)
    """The network's addresses, /16 to /22. Every pod takes one, so the default is the largest that AWS
    allows."""

    flow_logs: bool = setting(False)
    """Whether VPC Flow Logs record the network's traffic, into the log bucket below `AWSLogs/`, for as long as
    task logs. Default false: AWS bills them by the gigabyte, and a branch has no use for them."""

    public_access_cidrs: tuple[str, ...] = setting(("0.0.0.0/0",), check=check_networks)
    """Who may reach the Kubernetes API and the Rancher server from outside: a JSON list of networks.
    Default everyone, as EKS does (callers still need IAM); name your own networks in production."""

    deploy_role: str = setting(
        "", pattern=r"(arn:[a-z-]+:iam::\d{12}:role/\S+)?", allowed="the ARN of an IAM role"
    )
    """The role with which a pipeline deploys branches on this environment: it administers the cluster, and
    gives no branch's role more than the branches' logs. Default: none; `bootstrap --github` sets it."""

    preview_role: str = setting(
        "", pattern=r"(arn:[a-z-]+:iam::\d{12}:role/\S+)?", allowed="the ARN of an IAM role"
    )
    """The role with which a pipeline previews branches: it reads the cluster. Default: none;
    `bootstrap --github` sets it."""

    kubernetes_version: str = setting("1.36", pattern=r"1\.\d\d", allowed="a version such as 1.36")
    """The version of EKS's control plane and nodes. Pinned: an upgrade is a decision."""

    node_instance_types: tuple[str, ...] = setting(("m7i.large",), check=check_instance_types)
    """The workers' instance types, a JSON list; with spot several are better. Default: 2 vCPU, 8 GiB,
    which holds Airflow's own pods and a handful of tasks."""

    node_min: int = setting(1, minimum=0, maximum=450)
    """The fewest workers. Default 1."""

    node_desired: int = setting(2, minimum=0, maximum=450)
    """The workers to start with; later an autoscaler may change it. Default 2, one in each zone."""

    node_max: int = setting(4, minimum=1, maximum=450)
    """The most workers: the ceiling of what a runaway DAG can cost. Default 4."""

    node_disk_gb: int = setting(50, minimum=20, maximum=16_384)
    """Each worker's disk in GB. Default 50: images of about 1 GB each, and the tasks' scratch space."""

    spot: bool = setting(False)
    """Whether workers are spot instances: about a third of the price, taken away at two minutes'
    notice. Default false."""

    log_retention_days: int = setting(30, choices=_RETENTION_DAYS)
    """How long CloudWatch keeps the control plane's logs, days. Default 30."""

    task_log_days: int = setting(90, minimum=1, maximum=3650)
    """How long the bucket keeps task logs, days. Default 90."""

    executor: str = setting("KubernetesExecutor", choices=("KubernetesExecutor", "LocalExecutor"))
    """How Airflow runs tasks: each in a pod of its own, or all inside the scheduler's pod. Default
    KubernetesExecutor."""

    database: str = setting("in-cluster", choices=("in-cluster", "rds"))
    """Where Airflow's metadata lies: a PostgreSQL pod with a volume, or Amazon RDS. Default in-cluster,
    which is cheaper; RDS has backups and survives a zone."""

    database_storage_gb: int = setting(20, minimum=5, maximum=16_384)
    """The database's disk in GB. Default 20; RDS takes no less."""

    database_instance_class: str = setting(
        "db.t4g.small", pattern=r"db\.[a-z0-9-]+\.[a-z0-9-]+", allowed="such as db.t4g.small"
    )
    """The RDS instance's class, with database rds. Default 2 vCPU, 2 GiB: enough for Airflow's metadata."""

    ui_service_type: str = setting("ClusterIP", choices=("ClusterIP", "NodePort", "LoadBalancer"))
    """How Airflow's UI is reached. Default ClusterIP (`kubectl port-forward`): a public UI is a
    decision."""

    ui_node_port: int = setting(0, minimum=0, maximum=32767)
    """The nodes' port that leads to the UI, with uiServiceType NodePort: 30000 to 32767. Default 0:
    Kubernetes chooses one, so that environments on one cluster do not meet."""

    admin_user: str = setting(
        "admin", pattern=r"[A-Za-z0-9._@-]{1,64}", allowed="1 to 64 of A-Z a-z 0-9 . _ @ -"
    )
    """The name of Airflow's first administrator."""

    admin_email: str = setting(
        "admin@example.com", pattern=r"[^@\s]+@[^@\s]+", allowed="an e-mail address"
    )
    """The administrator's e-mail address; Airflow insists on one."""

    rancher_enabled: bool = setting(True)
    """Whether the environment has a Rancher server and the IAM user it needs. Default true."""

    rancher_instance_type: str = setting(
        "t3.large", pattern=r"[a-z0-9-]+\.[a-z0-9-]+", allowed="an EC2 instance type"
    )
    """The Rancher server's instance type. Default 2 vCPU, 8 GiB: the least that Rancher supports."""

    rancher_hostname: str = setting(
        "",
        pattern=r"([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+)?",
        allowed="a DNS name",
    )
    """The Rancher server's DNS name. Default: its address under sslip.io, which needs no DNS zone."""


@dataclass(frozen=True)
class Secrets:
    """What must be a Pulumi secret: `pulumi config set --secret aerodrome:KEY`. Made once for a stack."""

    fernet_key: str = secret(check_fernet)
    """Encrypts connections and variables in Airflow's database. Losing it loses them."""

    jwt_secret: str = secret(at_least(32))
    """Signs the tokens between Airflow's components, 32 characters or more."""

    api_secret_key: str = secret(at_least(16))
    """Signs the UI's sessions, 16 characters or more."""

    database_password: str = secret(at_least(12))
    """The password of Airflow's database user, 12 characters or more."""

    admin_password: str = secret(at_least(8))
    """The first administrator's password, 8 characters or more."""


def load(config: Mapping[str, str], secret_keys: Collection[str]) -> tuple[Settings, Secrets]:
    """The stack's settings from Pulumi's configuration: full keys (`aerodrome:nodeMax`), string values.

    Raises SettingsError with every problem found.
    """
    given = {
        key.removeprefix(f"{NAMESPACE}:"): value
        for key, value in config.items()
        if key.startswith(f"{NAMESPACE}:")
    }
    fields = {_key(f): f for group in (Settings, Secrets) for f in dataclasses.fields(group)}
    confidential = {_key(f) for f in dataclasses.fields(Secrets)}
    problems = [_unknown(key, list(fields)) for key in given if key not in fields]
    values: dict[str, Any] = {}
    for key, spec in fields.items():
        if key not in given:
            if spec.default is dataclasses.MISSING:
                problems.append(_missing(key, secret=key in confidential))
            continue
        if key in confidential and f"{NAMESPACE}:{key}" not in secret_keys:
            problems.append(f"{NAMESPACE}:{key} must be a secret: {_set_command(key, secret=True)}")
        value, problem = parse(spec, given[key])
        if problem:
            shown = "" if key in confidential else f" is {given[key]!r}:"
            problems.append(f"{NAMESPACE}:{key}{shown} {problem}")
        else:
            values[spec.name] = value
    if problems:
        raise SettingsError(problems)
    settings = Settings(**{k: v for k, v in values.items() if _is_field(Settings, k)})
    if crossed := _check_together(settings):
        raise SettingsError(crossed)
    return settings, Secrets(**{k: v for k, v in values.items() if _is_field(Secrets, k)})


def describe() -> list[dict[str, Any]]:
    """Every key, for people and for the command line."""
    rows = []
    for group in (Settings, Secrets):
        documents = _documentation(group.__name__)
        for spec in dataclasses.fields(group):
            rule: Rule = spec.metadata["rule"]
            required = spec.default is dataclasses.MISSING
            rows.append(
                {
                    "key": _key(spec),
                    "type": type_name(spec),
                    "default": None if required else spec.default,
                    "required": required,
                    "secret": group is Secrets,
                    "choices": list(rule.choices),
                    "minimum": rule.minimum,
                    "maximum": rule.maximum,
                    "pattern": rule.pattern,
                    "allowed": rule.allowed,
                    "doc": documents[spec.name],
                }
            )
    return rows


def _check_together(settings: Settings) -> list[str]:
    problems = _check_rung(settings)
    if not settings.node_min <= settings.node_desired <= settings.node_max:
        problems.append(
            f"{NAMESPACE}:nodeDesired is {settings.node_desired}: must lie between "
            f"nodeMin ({settings.node_min}) and nodeMax ({settings.node_max})"
        )
    if settings.database == "rds" and settings.database_storage_gb < 20:
        problems.append(
            f"{NAMESPACE}:databaseStorageGb is {settings.database_storage_gb}: RDS takes no less than 20"
        )
    if 0 < settings.ui_node_port < LOWEST_NODE_PORT:
        problems.append(
            f"{NAMESPACE}:uiNodePort is {settings.ui_node_port}: "
            f"must be 0 or between {LOWEST_NODE_PORT} and 32767"
        )
    return problems


def _check_rung(settings: Settings) -> list[str]:
    if settings.rung == "shared" and not settings.base:
        return [
            f"{NAMESPACE}:base is not set: rung shared needs the environment that it stands on: "
            f"{_set_command('base', secret=False)}"
        ]
    if settings.rung == "dedicated" and settings.base:
        return [
            f"{NAMESPACE}:base is {settings.base!r}: only an environment of rung shared has a base"
        ]
    if settings.base == settings.environment:
        return [f"{NAMESPACE}:base is {settings.base!r}: an environment can not stand on itself"]
    return []


def _unknown(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    hint = (
        f"did you mean {NAMESPACE}:{near[0]}?" if near else f"known are {', '.join(sorted(known))}"
    )
    return f"{NAMESPACE}:{key} is not a configuration key: {hint}"


def _missing(key: str, *, secret: bool) -> str:
    return f"{NAMESPACE}:{key} is not set: {_set_command(key, secret=secret)}"


def _set_command(key: str, *, secret: bool) -> str:
    return f"pulumi config set {'--secret ' if secret else ''}{NAMESPACE}:{key} VALUE"


def _key(spec: "dataclasses.Field[Any]") -> str:
    head, *rest = spec.name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _is_field(group: type[Settings] | type[Secrets], name: str) -> bool:
    return any(spec.name == name for spec in dataclasses.fields(group))


def _documentation(class_name: str) -> dict[str, str]:
    """The string under each field of the class, as one line."""
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    body = next(n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == class_name)
    documents = {}
    for field, following in itertools.pairwise(body):
        match field, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                value=ast.Constant(value=str(text))
            ):
                documents[name] = " ".join(text.split())
    return documents


def main(arguments: list[str]) -> int:
    """`python -m infra.settings [--json]`: every key and what it means."""
    rows = describe()
    if arguments == ["--json"]:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return 0
    for row in rows:
        default = "required" if row["required"] else f"default {json.dumps(row['default'])}"
        sys.stdout.write(f"{row['key']} ({row['type']}, {default})\n    {row['doc']}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

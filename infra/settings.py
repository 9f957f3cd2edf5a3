"""What a stack contains: the typed, documented configuration of the program.

Pulumi hands the configuration over as strings; `load` turns them into `Settings` and `Secrets` or
raises one `SettingsError` that names every problem. Nothing here touches Pulumi, so that the command
line can print the list without loading it: `python -m infra.settings --json`.
"""

import ast
import base64
import binascii
import dataclasses
import difflib
import ipaddress
import itertools
import json
import re
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.naming import ENVIRONMENT_MAX_LENGTH

NAMESPACE: Final = "aerodrome"
"""The configuration namespace: Pulumi's project name."""

Check = Callable[[Any], str | None]
"""Says what is wrong with a value, or nothing."""


class SettingsError(Exception):
    """The configuration is not usable; `problems` has one line for each fault."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Rule:
    """What a value must fulfil beyond its type."""

    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str | int, ...] = ()
    pattern: str = ""
    allowed: str = ""
    """The pattern in words."""
    check: Check | None = None


def _setting(default: Any = dataclasses.MISSING, **rule: Any) -> Any:
    metadata = {"rule": Rule(**rule)}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def _secret(check: Check) -> Any:
    # repr=False: a traceback or a debugger's print must not show it.
    return dataclasses.field(repr=False, metadata={"rule": Rule(check=check)})


def _check_network(value: str) -> str | None:
    try:
        network = ipaddress.IPv4Network(value)
    except ValueError as error:
        return f"must be an IPv4 network such as 10.20.0.0/16 ({error})"
    if not network.is_private:
        return "must be a private network (RFC 1918)"
    if not 16 <= network.prefixlen <= 22:
        return "must be between /16 and /22, so that four subnets of a useful size fit"
    return None


def _check_networks(values: tuple[str, ...]) -> str | None:
    if not values:
        return "must name at least one network"
    for value in values:
        try:
            ipaddress.IPv4Network(value)
        except ValueError as error:
            return f"must be a list of IPv4 networks ({error})"
    return None


def _check_instance_types(values: tuple[str, ...]) -> str | None:
    if not values:
        return "must name at least one instance type"
    wrong = [value for value in values if not re.fullmatch(r"[a-z0-9-]+\.[a-z0-9-]+", value)]
    return f"must be EC2 instance types such as m7i.large, not {wrong[0]!r}" if wrong else None


def _check_fernet(value: str) -> str | None:
    # Several keys are allowed while one is being rotated: new,old.
    for key in value.split(","):
        try:
            raw = base64.b64decode(key, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) != 32:
            return "must be 32 bytes in URL-safe base64 (44 characters), or several with commas"
    return None


def _at_least(length: int) -> Check:
    def check(value: str) -> str | None:
        return None if len(value) >= length else f"must have at least {length} characters"

    return check


_NAME = r"[a-z]([a-z0-9]|-(?!-))*(?<!-)"
_SIZE = {"minimum": 1, "maximum": 16_384}

CLOUDWATCH_RETENTION_DAYS = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)


@dataclass(frozen=True)
class Settings:
    """One environment. Keys are the fields' names in camelCase, under `aerodrome:`."""

    environment: str = _setting(
        pattern=rf"(?=.{{1,{ENVIRONMENT_MAX_LENGTH}}}$){_NAME}",
        allowed=(
            f"1 to {ENVIRONMENT_MAX_LENGTH} of a-z, 0-9 and -, starting with a letter, "
            "no - at the end and no --"
        ),
    )
    """The environment's name; part of every name in the account. Required, because a stack's name may
    hold characters that AWS refuses."""

    branch: str = _setting(
        "", pattern=r"[^\x00-\x1f]{0,255}", allowed="at most 255 printable characters"
    )
    """The git branch that the environment belongs to, as a tag. Default: none."""

    expires: str = _setting(
        "never",
        pattern=r"never|\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?",
        allowed="never, or a date such as 2027-01-31 or 2027-01-31T18:00:00Z",
    )
    """When the environment may be swept, UTC, as a tag. Default never: a forgotten date must not delete
    production."""

    protect: bool = _setting(False)
    """Whether data is kept when the stack goes: the log bucket, the image repositories and the database
    then refuse to be deleted while something is in them. Default false: a branch must leave nothing."""

    vpc_cidr: str = _setting("10.20.0.0/16", check=_check_network)
    """The network's addresses, /16 to /22. Every pod takes one, so the default is the largest that AWS
    allows."""

    public_access_cidrs: tuple[str, ...] = _setting(("0.0.0.0/0",), check=_check_networks)
    """Who may reach the Kubernetes API and the Rancher server from outside: a JSON list of networks.
    Default everyone, as EKS does (callers still need IAM); name your own networks in production."""

    kubernetes_version: str = _setting("1.36", pattern=r"1\.\d\d", allowed="a version such as 1.36")
    """The version of EKS's control plane and nodes. Pinned: an upgrade is a decision."""

    node_instance_types: tuple[str, ...] = _setting(("m7i.large",), check=_check_instance_types)
    """The workers' instance types, a JSON list; with spot several are better. Default: 2 vCPU, 8 GiB,
    which holds Airflow's own pods and a handful of tasks."""

    node_min: int = _setting(1, minimum=0, maximum=450)
    """The fewest workers. Default 1."""

    node_desired: int = _setting(2, minimum=0, maximum=450)
    """The workers to start with; later an autoscaler may change it. Default 2, one in each zone."""

    node_max: int = _setting(4, minimum=1, maximum=450)
    """The most workers: the ceiling of what a runaway DAG can cost. Default 4."""

    node_disk_gb: int = _setting(50, minimum=20, maximum=16_384)
    """Each worker's disk in GB. Default 50: images of about 1 GB each, and the tasks' scratch space."""

    spot: bool = _setting(False)
    """Whether workers are spot instances: about a third of the price, taken away at two minutes'
    notice. Default false."""

    log_retention_days: int = _setting(30, choices=CLOUDWATCH_RETENTION_DAYS)
    """How long CloudWatch keeps the control plane's logs, days. Default 30."""

    task_log_days: int = _setting(90, minimum=1, maximum=3650)
    """How long the bucket keeps task logs, days. Default 90."""

    executor: str = _setting("KubernetesExecutor", choices=("KubernetesExecutor", "LocalExecutor"))
    """How Airflow runs tasks: each in a pod of its own, or all inside the scheduler's pod. Default
    KubernetesExecutor."""

    database: str = _setting("in-cluster", choices=("in-cluster", "rds"))
    """Where Airflow's metadata lies: a PostgreSQL pod with a volume, or Amazon RDS. Default in-cluster,
    which is cheaper; RDS has backups and survives a zone."""

    database_storage_gb: int = _setting(20, **(_SIZE | {"minimum": 5}))
    """The database's disk in GB. Default 20; RDS takes no less."""

    ui_service_type: str = _setting("ClusterIP", choices=("ClusterIP", "NodePort", "LoadBalancer"))
    """How Airflow's UI is reached. Default ClusterIP (`kubectl port-forward`): a public UI is a
    decision."""

    ui_node_port: int = _setting(30080, minimum=30000, maximum=32767)
    """The nodes' port that leads to the UI, with uiServiceType NodePort."""

    admin_user: str = _setting(
        "admin", pattern=r"[A-Za-z0-9._@-]{1,64}", allowed="1 to 64 of A-Z a-z 0-9 . _ @ -"
    )
    """The name of Airflow's first administrator."""

    admin_email: str = _setting(
        "admin@example.com", pattern=r"[^@\s]+@[^@\s]+", allowed="an e-mail address"
    )
    """The administrator's e-mail address; Airflow insists on one."""

    rancher_enabled: bool = _setting(True)
    """Whether the environment has a Rancher server and the IAM user it needs. Default true."""

    rancher_instance_type: str = _setting(
        "t3.large", pattern=r"[a-z0-9-]+\.[a-z0-9-]+", allowed="an EC2 instance type"
    )
    """The Rancher server's instance type. Default 2 vCPU, 8 GiB: the least that Rancher supports."""

    rancher_hostname: str = _setting(
        "",
        pattern=r"([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+)?",
        allowed="a DNS name",
    )
    """The Rancher server's DNS name. Default: its address under sslip.io, which needs no DNS zone."""


@dataclass(frozen=True)
class Secrets:
    """What must be a Pulumi secret: `pulumi config set --secret aerodrome:KEY`. Made once for a stack."""

    fernet_key: str = _secret(_check_fernet)
    """Encrypts connections and variables in Airflow's database. Losing it loses them."""

    jwt_secret: str = _secret(_at_least(32))
    """Signs the tokens between Airflow's components, 32 characters or more."""

    api_secret_key: str = _secret(_at_least(16))
    """Signs the UI's sessions, 16 characters or more."""

    database_password: str = _secret(_at_least(12))
    """The password of Airflow's database user, 12 characters or more."""

    admin_password: str = _secret(_at_least(8))
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
    secret = {_key(f) for f in dataclasses.fields(Secrets)}
    problems = [_unknown(key, list(fields)) for key in given if key not in fields]
    values: dict[str, Any] = {}
    for key, spec in fields.items():
        if key not in given:
            if spec.default is dataclasses.MISSING:
                problems.append(_missing(key, secret=key in secret))
            continue
        if key in secret and f"{NAMESPACE}:{key}" not in secret_keys:
            problems.append(f"{NAMESPACE}:{key} must be a secret: {_set_command(key, secret=True)}")
        value, problem = _parse(spec, given[key])
        if problem:
            shown = "" if key in secret else f" is {given[key]!r}:"
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
                    "type": _type_name(spec),
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
    problems = []
    if not settings.node_min <= settings.node_desired <= settings.node_max:
        problems.append(
            f"{NAMESPACE}:nodeDesired is {settings.node_desired}: must lie between "
            f"nodeMin ({settings.node_min}) and nodeMax ({settings.node_max})"
        )
    if settings.database == "rds" and settings.database_storage_gb < 20:
        problems.append(
            f"{NAMESPACE}:databaseStorageGb is {settings.database_storage_gb}: RDS takes no less than 20"
        )
    return problems


def _parse(spec: "dataclasses.Field[Any]", text: str) -> tuple[Any, str | None]:
    """The value of `text`, or what is wrong with it."""
    rule: Rule = spec.metadata["rule"]
    match _type_name(spec):
        case "boolean":
            if text not in ("true", "false"):
                return None, "must be true or false"
            return text == "true", None
        case "integer":
            if not re.fullmatch(r"-?\d{1,9}", text):
                return None, "must be a whole number"
            return int(text), _check_number(rule, int(text))
        case "list":
            items = _list_of_strings(text)
            if items is None:
                return None, 'must be a JSON list of strings, such as ["a", "b"]'
            return items, rule.check(items) if rule.check else None
        case _:
            return text, _check_text(rule, text)


def _check_number(rule: Rule, number: int) -> str | None:
    if rule.choices and number not in rule.choices:
        return f"must be one of {', '.join(map(str, rule.choices))}"
    below = rule.minimum is not None and number < rule.minimum
    above = rule.maximum is not None and number > rule.maximum
    return f"must be between {rule.minimum} and {rule.maximum}" if below or above else None


def _check_text(rule: Rule, text: str) -> str | None:
    if rule.choices and text not in rule.choices:
        near = difflib.get_close_matches(text, map(str, rule.choices), n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return f"must be one of {', '.join(map(str, rule.choices))}{hint}"
    if rule.pattern and not re.fullmatch(rule.pattern, text):
        return f"must be {rule.allowed}"
    return rule.check(text) if rule.check else None


def _list_of_strings(text: str) -> tuple[str, ...] | None:
    try:
        items = json.loads(text)
    except ValueError:
        return None
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        return None
    return tuple(items)


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


def _type_name(spec: "dataclasses.Field[Any]") -> str:
    return {bool: "boolean", int: "integer", str: "string"}.get(spec.type, "list")  # type: ignore[arg-type]


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

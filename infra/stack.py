"""What the program needs to know of the stack it runs for: its settings, its place, its names, its tags."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import metadata
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.contract import (
    clusters,
    executors,
    existing_server,
    ingress,
    organisation_tags,
    rancher_secret,
    task_accounts,
    task_policies,
)
from infra.contract.configuration import SettingsError, load, renewed
from infra.contract.naming import TAG_EXPIRES, TAG_USED, Names, labels, tags
from infra.contract.outputs import Outputs
from infra.contract.secret_settings import Secrets
from infra.contract.settings import Settings
from infra.contract.sizes import zones
from infra.contract.tenancy import Tenancy
from infra.contract.user_access import FILE
from infra.contract.user_access import NAMESPACE as ACCESS
from infra.declared import NAMESPACE as DECLARED
from infra.declared import StackSecrets, config_keys
from infra.existing_cluster import FoundCluster, find_cluster
from infra.existing_network import ExistingNetwork, find_existing
from infra.existing_server import ExistingServer, find_existing_server
from infra.user_access import AccessError, UserAccess
from infra.user_access import check as check_access
from infra.values import ValuesError, chart_defaults, check, over

AWS_VERSION = metadata.version("pulumi_aws")

ROLE = "aws:iam/role:Role"
USER = "aws:iam/user:User"
BOUNDARY = "permissionsBoundary"


@dataclass(frozen=True)
class Place:
    """Where in AWS the stack is deployed."""

    region: str
    partition: str
    zones: list[str]
    network: ExistingNetwork | None = None
    """A VPC that is there already; None if the stack makes one."""
    server: ExistingServer | None = None
    """An RDS instance that is there already, for the database; None if it is elsewhere."""
    cluster: FoundCluster | None = None
    """A cluster that is there already; None if the stack makes one."""


@dataclass(frozen=True)
class Stack:
    """One environment, as every component gets it."""

    settings: Settings
    secrets: Secrets = field(repr=False)
    place: Place
    values: Mapping[str, Any] = field(default_factory=dict)
    """What the user's files set of the chart's values."""
    declared: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The secrets of the configuration that those values name for what they declare, by key."""
    access: UserAccess | None = None
    """Roles and users of Airflow; None if people keep them in the UI."""
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The first password of each of those users."""
    built_tags: dict[str, pulumi.Output[str]] = field(default_factory=dict, compare=False)
    """By image the tag that this run has built, or left as built; each `Image` enters its own. An output."""
    built_by: dict[str, pulumi.Output[dict[str, str]]] = field(default_factory=dict, compare=False)
    """By image the arguments with the proxy by which that was built; so, too."""

    @property
    def names(self) -> Names:
        return Names(
            self.settings.environment,
            shared=self.settings.tenancy == Tenancy.shared,
            existing_server=self.place.server is not None,
        )

    @property
    def network_cidrs(self) -> tuple[str, ...]:
        """The addresses of its network."""
        existing = self.place.network
        return existing.cidrs if existing else (self.settings.vpc_cidr,)

    @property
    def storage_class(self) -> str:
        """The name of its disks' class: in another's cluster none that anybody else has."""
        if self.place.cluster:
            return clusters.storage_class(self.settings.environment)
        return clusters.STORAGE_CLASS

    @property
    def executor(self) -> executors.Executor:
        """What runs its tasks."""
        return executors.executor(self.settings.executor)

    @property
    def tags(self) -> dict[str, str]:
        """All tags of the environment."""
        settings = self.settings
        return organisation_tags.parse(settings.tags) | tags(
            settings.environment,
            settings.branch,
            settings.expires,
            settings.base,
            settings.used,
            settings.repository,
        )

    def tags_of(self, type_: str, name: str) -> tuple[dict[str, str], list[str]]:
        """The tags of a resource, and which of them keep the value that they were made with.

        Each use moves the expiry of an environment whose use is kept. One resource says so, or every
        preview of another day would show a change of all of them. The others keep their first expiry, by
        which an environment is swept that never got as far as that one.
        """
        wanted = self.tags
        if not self.settings.used or (type_, name) == (ROLE, self.names.role):
            return wanted, []
        return {key: value for key, value in wanted.items() if key != TAG_USED}, [TAG_EXPIRES]

    @property
    def labels(self) -> dict[str, str]:
        """On its namespace, and on what it puts into its base's."""
        return labels(self.settings.environment, self.settings.base)

    def checksum(self, content: Mapping[str, str]) -> str:
        """Changes when the content of a Secret does, so that what reads it, and nothing else, starts again.

        Not secret itself. Passwords that people choose can be guessed, and each guess be compared with a plain
        hash: so the key is one that nobody guesses. It is one of its own, because a new Fernet key shall replace
        the pods that read it and not the database's.
        """
        text = json.dumps(content, sort_keys=True).encode()
        key = self.secrets.checksum_key or self.secrets.fernet_key
        return hmac.new(key.encode(), text, hashlib.sha256).hexdigest()

    def built_tag(self, image: str) -> pulumi.Output[str]:
        """The tag of the image that the last run of this stack built, or left as it had been built."""
        former = self._former.get_output(Outputs.built_tags.key)
        return former.apply(lambda tags: str((tags or {}).get(image, "")))

    def former_proxies(self, image: str) -> pulumi.Output[dict[str, str]]:
        """The arguments with the proxy by which that image was built."""
        former = self._former.get_output(Outputs.built_by.key)
        return former.apply(lambda built: dict((built or {}).get(image) or {}))

    @cached_property
    def _former(self) -> pulumi.StackReference:
        """This stack as its last run left it: a program has no other way to know its own state."""
        project = f"{pulumi.get_organization()}/{pulumi.get_project()}"
        return pulumi.StackReference(f"{project}/{pulumi.get_stack()}")

    @property
    def lasting_tags(self) -> dict[str, str]:
        """Those that no day changes: for what AWS makes by itself, and for what a new tag would replace."""
        passing = (TAG_EXPIRES, TAG_USED)
        return {key: value for key, value in self.tags.items() if key not in passing}


def open_stack() -> Stack:
    """The stack that runs now; from here on every AWS resource gets its tags and its provider."""
    settings, secrets = _read_settings()
    # Before anything is registered: a fault in a file must change nothing.
    values = _read_values(settings)
    access = _read_access(settings)
    _check_tasks(settings, values, access)
    passwords = _passwords(access)
    place = _find_place(settings)
    _check_address(settings, values, place)
    stack = Stack(settings, secrets, place, values, _declared(values), access, passwords)
    adapt_everything(stack)
    return stack


def _read_settings() -> tuple[Settings, Secrets]:
    """The configuration, or one error that names everything that is wrong with it."""
    secret_keys = pulumi.runtime.get_config_secret_keys_env()
    try:
        config, warnings = renewed(pulumi.runtime.get_config_env())
        for warning in warnings:
            pulumi.log.warn(warning)
        return load(config, secret_keys)
    except SettingsError as error:
        # RunError is Pulumi's word for "tell the user, without a traceback".
        raise pulumi.RunError(f"The stack's configuration is not valid:\n{error}") from None


def _own_config(keys: Mapping[str, str], namespace: str = DECLARED) -> dict[str, str]:
    """What the configuration has in another namespace than the program's: by default for declarations."""
    start = f"{namespace}:"
    return {key.removeprefix(start): text for key, text in keys.items() if key.startswith(start)}


def _declared(values: Mapping[str, Any]) -> dict[str, str]:
    there = _own_config(pulumi.runtime.get_config_env())
    return {key: there[key] for key in config_keys(values) if key in there}


def _stack_secrets(settings: Settings) -> StackSecrets:
    secret = set(pulumi.runtime.get_config_secret_keys_env())
    there = _own_config(pulumi.runtime.get_config_env())
    hidden = frozenset(key for key in there if f"{DECLARED}:{key}" in secret)
    return StackSecrets(hidden, frozenset(there) - hidden, settings.tenancy == Tenancy.shared)


def _read_values(settings: Settings) -> dict[str, Any]:
    """The user's values of the chart, or one error that names everything that is wrong with them."""
    try:
        found = check(settings.environment, settings.values_files, secrets=_stack_secrets(settings))
    except ValuesError as error:
        raise pulumi.RunError(f"The values files are not valid:\n{error}") from None
    for warning in found.warnings:
        pulumi.log.warn(warning)
    return found.values


def _check_address(settings: Settings, values: Mapping[str, Any], place: Place) -> None:
    """The UI's address has one source, and its certificate is where the load balancer will be, as Rancher's is where its server will be."""
    if words := ingress.elsewhere(settings.ui_certificate_arn, place.region):
        # The region may be that of the shell, of which the configuration knows nothing.
        raise pulumi.RunError(
            f"aerodrome:uiCertificateArn is {settings.ui_certificate_arn!r}: {words}"
        )
    secret = settings.rancher_certificate_secret if settings.rancher_enabled else ""
    if words := rancher_secret.elsewhere(secret, place.region):
        raise pulumi.RunError(f"aerodrome:rancherCertificateSecret is {secret!r}: {words}")
    secret = settings.database_admin_secret if place.server else ""
    if words := existing_server.elsewhere(secret, place.region):
        raise pulumi.RunError(f"aerodrome:databaseAdminSecret is {secret!r}: {words}")
    if settings.ui_host and (values.get("ui") or {}).get("baseUrl"):
        raise pulumi.RunError(
            f"The values files set ui.baseUrl, and it follows from uiHost, which is {settings.ui_host}: take it out of them. "
            "A folder of the host is the setting uiPath."
        )


def _read_access(settings: Settings) -> UserAccess | None:
    """Airflow's roles and users, or one error that names everything that is wrong with their file."""
    secret = _own_config(dict.fromkeys(pulumi.runtime.get_config_secret_keys_env(), ""), ACCESS)
    try:
        found = check_access(
            settings.access_file, administrator=settings.admin_user, passwords=secret
        )
    except AccessError as error:
        raise pulumi.RunError(f"Who may do what is not valid:\n{error}") from None
    if settings.oidc_issuer and not (found and found.groups):
        raise pulumi.RunError(
            f"oidcIssuer is set, and no group of the provider has a role, so that nobody could log in by it: say `groups` in "
            f"{settings.access_file or FILE} (docs/access.md)"
        )
    return found


def _check_tasks(settings: Settings, values: Mapping[str, Any], access: UserAccess | None) -> None:
    """Tasks have roles of their own in AWS only where nothing lets them take another's."""
    if not (access and access.task_policies):
        return
    file = settings.access_file or FILE
    if executors.executor(settings.executor).task_hosts:
        raise pulumi.RunError(
            f"{file} gives owners {task_accounts.KEY}, and with the executor {settings.executor} tasks of several owners "
            "share a pod: ./aerodrome config set executor KubernetesExecutor"
        )
    effective = over(chart_defaults(), values)
    if effective["workers"]["startPods"]:
        raise pulumi.RunError(
            f"{file} gives owners {task_accounts.KEY}, and with workers.startPods, the default, a task could start a pod "
            "that is another owner's in AWS: set workers.startPods: false in a values file"
        )
    if ((effective.get("config") or {}).get("logging") or {}).get("log_filename_template"):
        raise pulumi.RunError(
            f"{file} gives owners {task_accounts.KEY}, which go by Airflow's own folders of logs: take "
            "config.logging.log_filename_template out of the values files"
        )
    of_all = task_policies.parse(settings.task_policies).arns
    for owner, own in access.task_policies.items():
        arns = {*own.arns, *of_all}
        if len(arns) > task_policies.MOST_ARNS:
            raise pulumi.RunError(
                f"{file}: owners.{owner}.{task_accounts.KEY} and the setting taskPolicies name {len(arns)} policies together; "
                f"AWS attaches {task_policies.MOST_ARNS} to a role"
            )


def _passwords(access: UserAccess | None) -> dict[str, str]:
    there = _own_config(pulumi.runtime.get_config_env(), ACCESS)
    return {name: there[name] for name in access.users} if access else {}


def _find_place(settings: Settings) -> Place:
    """The provider's region, the first zones in it that need no opt-in, and what is there already: the VPC or the cluster, and the
    database's server, that the settings name."""
    cluster = find_cluster(settings)
    available = aws.get_availability_zones(
        state="available",
        filters=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}],
    )
    return Place(
        region=aws.get_region().region,
        partition=aws.get_partition().partition,
        zones=zones(available.names),
        server=find_existing_server(settings),
        network=cluster.network if cluster else find_existing(settings),
        cluster=cluster,
    )


@cache
def takes_tags(token: str) -> bool:
    """Whether a resource type takes a map of tags, which the SDK's class of that name knows.

    The children of pulumi-eks's components reach the transform as a type and a dictionary.
    """
    package, path, name = token.split(":")
    module = getattr(aws, path.split("/")[0], None) if package == "aws" else None
    # Where `tags` is a list, as of an autoscaling group, the provider adds no map of all.
    return hasattr(getattr(module, name, None), "tags_all")


def adapt_everything(stack: Stack) -> None:
    """Transforms, because they reach the resources that pulumi-eks's components make as well.

    Those get the stack's tags, the boundary of what they may do if there is one, and the aws provider of this program: of its own version, which
    pulumi-eks asks for, Pulumi would load one more, a process of some hundred megabytes.
    """

    def adapt(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
        props, options = args.props, args.opts
        if takes_tags(args.type_):
            wanted, kept = stack.tags_of(args.type_, args.name)
            props = {**props, "tags": _with_tags(props.get("tags"), wanted)}
            if kept:
                paths = [f'tags["{key}"]' for key in kept]
                first = pulumi.ResourceOptions(ignore_changes=paths)
                options = pulumi.ResourceOptions.merge(options, first)
        if args.type_ in (ROLE, USER) and stack.settings.permissions_boundary:
            # What has one already is a role of a branch, whose base says which.
            props = {**props, BOUNDARY: props.get(BOUNDARY) or stack.settings.permissions_boundary}
        if args.type_.startswith("aws:") and options.version != AWS_VERSION:
            ours = pulumi.ResourceOptions(version=AWS_VERSION)
            options = pulumi.ResourceOptions.merge(options, ours)
        if props is args.props and options is args.opts:
            return None
        return pulumi.ResourceTransformResult(props, options)

    def adapt_call(args: pulumi.InvokeTransformArgs) -> pulumi.InvokeTransformResult | None:
        if not args.token.startswith("aws:") or args.opts.version == AWS_VERSION:
            return None
        args.opts.version = AWS_VERSION
        return pulumi.InvokeTransformResult(args.args, args.opts)

    pulumi.runtime.register_resource_transform(adapt)
    pulumi.runtime.register_invoke_transform(adapt_call)


def _with_tags(own: Any, wanted: dict[str, str]) -> Any:
    if isinstance(own, pulumi.Output):
        # Secret, or not known before `up`.
        return own.apply(lambda given: {**(given or {}), **wanted})
    return {**(own or {}), **wanted}

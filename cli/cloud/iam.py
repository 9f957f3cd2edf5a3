"""IAM: users, groups, roles and the like, found by their path and by tag.

AWS deletes none of them while something hangs on it: keys, policies, memberships. Each is taken
off first. A policy is taken off what is the environment's own only.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.cloud.errors import gone_is_fine, unless_gone
from cli.cloud.resource import Resource, Search, everything, moment, pairs
from infra.contract.naming import PREFIX, is_environment

SERVICE = "iam"


@dataclass(frozen=True)
class Kind:
    """How one kind of IAM resource is listed, and its tags read."""

    name: str
    plural: str
    identifier: str
    """The field with the name."""

    argument: str
    """What the calls take: the same, but for policies."""

    tagged: bool = True
    arguments: Mapping[str, str] = field(default_factory=dict)


KINDS = (
    Kind("user", "users", "UserName", "UserName"),
    Kind("group", "groups", "GroupName", "GroupName", tagged=False),
    Kind("instance-profile", "instance_profiles", "InstanceProfileName", "InstanceProfileName"),
    Kind("role", "roles", "RoleName", "RoleName"),
    Kind("policy", "policies", "Arn", "PolicyArn", arguments={"Scope": "Local"}),
)


def find(search: Search) -> Iterator[Resource]:
    for kind in KINDS:
        yield from _of_kind(search, kind)
    yield from _providers(search)


def _of_kind(search: Search, kind: Kind) -> Iterator[Resource]:
    iam = search.client(SERVICE)
    result = "".join(word.capitalize() for word in kind.plural.split("_"))
    items = [
        item
        for item in everything(iam, f"list_{kind.plural}", result, **kind.arguments)
        if not str(item.get("Path", "")).startswith("/aws-service-role/")
    ]

    def tags_of(item: Mapping[str, Any]) -> dict[str, str]:
        if not kind.tagged:
            return {}
        read = getattr(iam, f"list_{kind.name.replace('-', '_')}_tags")
        answer = unless_gone(read, **{kind.argument: item[kind.identifier]})
        return pairs(answer["Tags"]) if answer else {}

    for item, tags in zip(items, search.each(tags_of, items), strict=True):
        near = _by_path(str(item.get("Path", "")))
        environment = search.whose(tags, *([near] if near else []))
        if environment is not None:
            name = str(item[kind.identifier])
            option = "--policy-arn" if kind.name == "policy" else f"--{kind.name}-name"
            yield Resource(
                service=SERVICE,
                kind=kind.name,
                id=name,
                arn=str(item["Arn"]),
                environment=environment,
                show=search.command(f"iam get-{kind.name} {option} {name}"),
                tags=tags,
                created=moment(item.get("CreateDate")),
            )


def _by_path(path: str) -> str:
    """The environment whose path it is: `/aerodrome/ENVIRONMENT/`."""
    parts = path.split("/")
    ours = len(parts) > 3 and parts[1] == PREFIX and is_environment(parts[2])
    return parts[2] if ours else ""


def _providers(search: Search) -> Iterator[Resource]:
    iam = search.client(SERVICE)
    for item in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
        arn = str(item["Arn"])
        with gone_is_fine():
            tags = pairs(iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn).get("Tags"))
            environment = search.whose(tags)
            if environment is not None:
                yield Resource(
                    service=SERVICE,
                    kind="oidc-provider",
                    id=arn,
                    arn=arn,
                    environment=environment,
                    show=search.command(
                        f"iam get-open-id-connect-provider --open-id-connect-provider-arn {arn}"
                    ),
                    tags=tags,
                )


def delete(search: Search, resource: Resource) -> None:
    HOW[resource.kind](search.client(SERVICE), resource.id)


def _user(iam: Any, name: str) -> None:
    user = {"UserName": name}
    with gone_is_fine():
        iam.delete_login_profile(**user)
    for operation, result, field_, undo in USERS_OWN:
        for item in everything(iam, operation, result, **user):
            with gone_is_fine():
                getattr(iam, undo)(**user, **{field_: item[field_]})
    for group in everything(iam, "list_groups_for_user", "Groups", **user):
        with gone_is_fine():
            iam.remove_user_from_group(GroupName=group["GroupName"], **user)
    _strip(iam, "user", user)
    iam.delete_user(**user)


USERS_OWN = (
    ("list_access_keys", "AccessKeyMetadata", "AccessKeyId", "delete_access_key"),
    ("list_mfa_devices", "MFADevices", "SerialNumber", "deactivate_mfa_device"),
    ("list_signing_certificates", "Certificates", "CertificateId", "delete_signing_certificate"),
    ("list_ssh_public_keys", "SSHPublicKeys", "SSHPublicKeyId", "delete_ssh_public_key"),
    (
        "list_service_specific_credentials",
        "ServiceSpecificCredentials",
        "ServiceSpecificCredentialId",
        "delete_service_specific_credential",
    ),
)
"""What only a user has: how it is listed, where, its identifier, and how it goes."""


def _strip(iam: Any, kind: str, named: Mapping[str, str]) -> None:
    """Takes all policies off a user, a group or a role."""
    for policy in everything(iam, f"list_attached_{kind}_policies", "AttachedPolicies", **named):
        with gone_is_fine():
            getattr(iam, f"detach_{kind}_policy")(PolicyArn=policy["PolicyArn"], **named)
    for name in everything(iam, f"list_{kind}_policies", "PolicyNames", **named):
        with gone_is_fine():
            getattr(iam, f"delete_{kind}_policy")(PolicyName=name, **named)


def _group(iam: Any, name: str) -> None:
    group = {"GroupName": name}
    for user in everything(iam, "get_group", "Users", **group):
        with gone_is_fine():
            iam.remove_user_from_group(UserName=user["UserName"], **group)
    _strip(iam, "group", group)
    iam.delete_group(**group)


def _role(iam: Any, name: str) -> None:
    role = {"RoleName": name}
    for profile in everything(iam, "list_instance_profiles_for_role", "InstanceProfiles", **role):
        with gone_is_fine():
            iam.remove_role_from_instance_profile(
                InstanceProfileName=profile["InstanceProfileName"], **role
            )
    _strip(iam, "role", role)
    iam.delete_role(**role)


def _profile(iam: Any, name: str) -> None:
    profile = {"InstanceProfileName": name}
    for role in iam.get_instance_profile(**profile)["InstanceProfile"]["Roles"]:
        with gone_is_fine():
            iam.remove_role_from_instance_profile(RoleName=role["RoleName"], **profile)
    iam.delete_instance_profile(**profile)


def _policy(iam: Any, arn: str) -> None:
    for version in everything(iam, "list_policy_versions", "Versions", PolicyArn=arn):
        if not version["IsDefaultVersion"]:
            with gone_is_fine():
                iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=arn)


def _provider(iam: Any, arn: str) -> None:
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)


HOW: Mapping[str, Callable[[Any, str], None]] = {
    "group": _group,
    "instance-profile": _profile,
    "oidc-provider": _provider,
    "policy": _policy,
    "role": _role,
    "user": _user,
}
"""By kind."""

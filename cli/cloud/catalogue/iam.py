"""IAM: users, groups, roles and the like, found by their path and by tag.

AWS deletes none of them while something hangs on it: keys, policies, memberships. Each is taken
off first. A policy is taken off what is the environment's own only.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from botocore import xform_name

from cli.cloud.catalogue.kind import Asked, Item, Kind, Recovery, named, repeat
from cli.cloud.errors import gone_is_fine, unless_gone
from cli.cloud.resource import Resource, Search, everything, pairs
from infra.contract.naming import PREFIX, is_environment

SERVICE = "iam"

_BEFORE = timedelta(hours=1)
"""How long before the last change of the state a creation may have begun, with clocks that differ."""


def _kind(  # noqa: PLR0913 - what differs between IAM's kinds
    name: str,
    noun: str,
    delete: Callable[[Any, str], None],
    recover: Recovery,
    *,
    plural: str = "",
    identifier: str = "",
    argument: str = "",
    tagged: bool = True,
    arguments: Mapping[str, str] | None = None,
) -> Kind:
    """A row. IAM's words follow from one noun: User, UserName, ListUsers, ListUserTags."""
    plural, identifier = plural or f"{noun}s", identifier or f"{noun}Name"
    argument = argument or identifier

    def listed(search: Search) -> Iterator[Item]:
        iam = search.client(SERVICE)
        found = everything(iam, f"list_{xform_name(plural)}", plural, **(arguments or {}))
        items = [
            item for item in found if not str(item.get("Path", "")).startswith("/aws-service-role/")
        ]

        def tags_of(item: Mapping[str, Any]) -> dict[str, str]:
            read = getattr(iam, f"list_{xform_name(noun)}_tags")
            answer = unless_gone(read, **{argument: item[identifier]})
            return pairs(answer["Tags"]) if answer else {}

        tags = search.each(tags_of, items) if tagged else [{} for _ in items]
        for item, own in zip(items, tags, strict=True):
            near = _by_path(str(item.get("Path", "")))
            yield Item(item[identifier], item["Arn"], own, near, item.get("CreateDate"))

    return Kind(
        service=SERVICE,
        name=name,
        type=f"aws:iam/{noun[0].lower()}{noun[1:]}:{noun}",
        list=listed,
        delete=lambda search, resource: delete(search.client(SERVICE), resource.id),
        show=f"iam get-{name} --{xform_name(argument, '-')} {{id}}",
        recover=recover,
    )


def _by_path(path: str) -> str:
    """The environment whose path it is: `/aerodrome/ENVIRONMENT/`."""
    parts = path.split("/")
    ours = len(parts) > 3 and parts[1] == PREFIX and is_environment(parts[2])
    return parts[2] if ours else ""


def _providers(search: Search) -> Iterator[Item]:
    iam = search.client(SERVICE)
    for listed in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
        arn = str(listed["Arn"])
        answer = unless_gone(iam.get_open_id_connect_provider, OpenIDConnectProviderArn=arn)
        if answer:
            yield Item(arn, arn, pairs(answer.get("Tags")))


# -- how they go ---------------------------------------------------------------------------


def _delete_user(iam: Any, name: str) -> None:
    user = {"UserName": name}
    with gone_is_fine():
        iam.delete_login_profile(**user)
    for operation, result, key, undo in _USERS_OWN:
        for item in everything(iam, operation, result, **user):
            with gone_is_fine():
                getattr(iam, undo)(**user, **{key: item[key]})
    for group in everything(iam, "list_groups_for_user", "Groups", **user):
        with gone_is_fine():
            iam.remove_user_from_group(GroupName=group["GroupName"], **user)
    _strip(iam, "user", user)
    iam.delete_user(**user)


_USERS_OWN = (
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


def _delete_group(iam: Any, name: str) -> None:
    group = {"GroupName": name}
    for user in everything(iam, "get_group", "Users", **group):
        with gone_is_fine():
            iam.remove_user_from_group(UserName=user["UserName"], **group)
    _strip(iam, "group", group)
    iam.delete_group(**group)


def _delete_role(iam: Any, name: str) -> None:
    role = {"RoleName": name}
    for profile in everything(iam, "list_instance_profiles_for_role", "InstanceProfiles", **role):
        with gone_is_fine():
            iam.remove_role_from_instance_profile(
                InstanceProfileName=profile["InstanceProfileName"], **role
            )
    _strip(iam, "role", role)
    iam.delete_role(**role)


def _delete_profile(iam: Any, name: str) -> None:
    profile = {"InstanceProfileName": name}
    for role in iam.get_instance_profile(**profile)["InstanceProfile"]["Roles"]:
        with gone_is_fine():
            iam.remove_role_from_instance_profile(RoleName=role["RoleName"], **profile)
    iam.delete_instance_profile(**profile)


def _delete_policy(iam: Any, arn: str) -> None:
    for version in everything(iam, "list_policy_versions", "Versions", PolicyArn=arn):
        if not version["IsDefaultVersion"]:
            with gone_is_fine():
                iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=arn)


def _delete_provider(search: Search, resource: Resource) -> None:
    search.client(SERVICE).delete_open_id_connect_provider(OpenIDConnectProviderArn=resource.id)


# -- how an interrupted creation is found again --------------------------------------------


def _recover_policy(asked: Asked) -> str | None:
    listed = everything(asked.client(SERVICE), "list_policies", "Policies", Scope="Local")
    named = (str(one["Arn"]) for one in listed if one["PolicyName"] == asked.inputs["name"])
    return next(named, None)


def _recover_provider(asked: Asked) -> str | None:
    host = str(asked.inputs["url"]).removeprefix("https://")
    iam = asked.client(SERVICE)
    listed = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    return next((str(one["Arn"]) for one in listed if one["Arn"].endswith(f"/{host}")), None)


def _recover_access_key(asked: Asked) -> None:
    """Its secret was shown once, to who is gone: the key is deleted, and another one made."""
    iam, user = asked.client(SERVICE), asked.inputs["user"]
    for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
        older = asked.since and key["CreateDate"] < asked.since - _BEFORE
        # An older one is somebody else's.
        if key["AccessKeyId"] not in asked.known and not older:
            iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])


def _inline_policy(of: str) -> Recovery:
    """A policy in a role, a user or a group; its id is `OWNER:POLICY`."""

    def recover(asked: Asked) -> str | None:
        owner, policy = asked.inputs[of.lower()], asked.inputs["name"]
        # Given as a whole resource, or by its name.
        name = owner["id"] if isinstance(owner, dict) else owner
        operation = getattr(asked.client(SERVICE), f"get_{of.lower()}_policy")
        found = unless_gone(operation, **{f"{of}Name": name, "PolicyName": policy})
        return None if found is None else f"{name}:{policy}"

    return recover


def _part(noun: str, recover: Recovery) -> Kind:
    """What goes with the user, group or role that it is of."""
    return Kind(type=f"aws:iam/{noun[0].lower()}{noun[1:]}:{noun}", recover=recover)


KINDS = (
    _kind("user", "User", _delete_user, named(SERVICE, "get_user", "UserName")),
    _kind("group", "Group", _delete_group, named(SERVICE, "get_group", "GroupName"), tagged=False),
    _kind(
        "instance-profile",
        "InstanceProfile",
        _delete_profile,
        named(SERVICE, "get_instance_profile", "InstanceProfileName"),
    ),
    _kind("role", "Role", _delete_role, named(SERVICE, "get_role", "RoleName")),
    _kind(
        "policy",
        "Policy",
        _delete_policy,
        _recover_policy,
        plural="Policies",
        identifier="Arn",
        argument="PolicyArn",
        arguments={"Scope": "Local"},
    ),
    Kind(
        service=SERVICE,
        name="oidc-provider",
        type="aws:iam/openIdConnectProvider:OpenIdConnectProvider",
        list=_providers,
        delete=_delete_provider,
        show="iam get-open-id-connect-provider --open-id-connect-provider-arn {id}",
        recover=_recover_provider,
    ),
    _part("AccessKey", _recover_access_key),
    _part("GroupMembership", repeat),
    _part("GroupPolicy", _inline_policy("Group")),
    _part("GroupPolicyAttachment", repeat),
    _part("RolePolicy", _inline_policy("Role")),
    _part("RolePolicyAttachment", repeat),
    _part("UserGroupMembership", repeat),
    _part("UserPolicy", _inline_policy("User")),
    _part("UserPolicyAttachment", repeat),
)

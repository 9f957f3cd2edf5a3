"""The resource ARNs of IAM calls, with their paths, and the condition keys that keep somebody who makes
roles from making himself an administrator.

MiniStack leaves the path out of every ARN that it asks a policy about, and knows neither
`iam:PermissionsBoundary` nor `iam:PassRole`.
"""

from collections.abc import Mapping
from typing import Any

from sandbox.aws.standin import emulator, internals
from sandbox.aws.standin.internals import records

BOUNDARY = "iam:PermissionsBoundary"
NAMED = {
    "InstanceProfileName": ("instance-profile", "instance_profiles"),
    "RoleName": ("role", "roles"),
    "UserName": ("user", "users"),
    "GroupName": ("group", "groups"),
}
"""What a parameter names, and where MiniStack keeps those. An instance profile comes first: calls that put
a role into one are about the profile."""


def install() -> None:
    internals.replace_query_resources("iam", resource_of)
    internals.add_condition_keys("iam", conditions_of)


def resource_of(asked: Mapping[str, str]) -> str | None:
    """The ARN that a call is about; None to leave it to MiniStack."""
    for parameter, (kind, store) in NAMED.items():
        name = asked.get(parameter)
        if not name:
            continue
        known = getattr(records("iam"), store).get(name)
        if known and not asked.get("Path"):
            return str(known["Arn"])
        return _arn(f"{kind}{asked.get('Path') or '/'}{name}")
    if asked.get("PolicyName") and asked.get("Action") == "CreatePolicy":
        return _arn(f"policy{asked.get('Path') or '/'}{asked['PolicyName']}")
    if asked.get("Url"):
        return _arn(f"oidc-provider/{asked['Url'].partition('://')[2]}")
    return asked.get("OpenIDConnectProviderArn")


def conditions_of(asked: Mapping[str, str]) -> dict[str, Any]:
    """The boundary that a call sets, else the one that its role or user has."""
    set_here = asked.get("PermissionsBoundary")
    if set_here:
        return {BOUNDARY: set_here}
    iam = records("iam")
    for store, parameter in ((iam.roles, "RoleName"), (iam.users, "UserName")):
        known = store.get(asked.get(parameter, ""))
        if known and known.get("PermissionsBoundary"):
            return {BOUNDARY: str(known["PermissionsBoundary"])}
    return {}


def _arn(name: str) -> str:
    return f"arn:aws:iam::{emulator.account()}:{name}"

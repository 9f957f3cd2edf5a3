"""The use of an environment is what keeps it: written down once a day, where `sweep` sees it.

In the configuration, so that the next `up` says the same, and at once in the tags of what is in the cloud.
"""

from cli.base import lifetime
from cli.base.errors import KitError
from cli.operations.live import Live
from cli.stack import stack_config
from infra.naming import TAG_EXPIRES, TAG_USED

_AT_ONCE = 20
"""ARNs that the tagging API takes in one call."""

_SHOWN = 5
"""Refusals: they are mostly the same."""


def used(live: Live) -> None:
    """Keeps a branch's environment for some days from now. Any other is kept anyway.

    Who may look at an environment may not be allowed to tag it: that is no reason not to look.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    plain = live.backend.plain()
    today = live.session.today()
    expires = plain.get(stack_config.EXPIRES_KEY)
    if expires is None or plain.get(stack_config.USED_KEY) == today.isoformat():
        return
    try:
        keep(live, lifetime.kept(expires, today))
    except (KitError, BotoCoreError, ClientError) as error:
        live.session.console.report(f"that it was used today could not be noted: {error}")


def keep(live: Live, expires: str) -> None:
    """Keeps an environment until a date, which counts as a use."""
    today = live.session.today()
    stack_config.keep(live.backend, expires, today)
    _tag(live, {TAG_EXPIRES: expires, TAG_USED: today.isoformat()})


def _tag(live: Live, tags: dict[str, str]) -> None:
    """KitError if the cloud takes the tags on nothing: the latest date of all resources counts, so one is
    enough."""
    # Imported late: only the first use of a day asks the whole cloud.
    from cli.cloud.catalogue import find
    from cli.cloud.resource import Search, portions

    found = [item for item in find(Search(live.client, live.environment.name)) if item.tags]
    # The tagging API does not know IAM's roles.
    roles = [item for item in found if (item.service, item.kind) == ("iam", "role")]
    refused = {role.label: why for role in roles if (why := _refused(live, role.id, tags))}
    others = [item.arn for item in found if item.service != "iam"]
    for arns in portions(others, _AT_ONCE):
        answer = live.client("resourcegroupstaggingapi").tag_resources(
            ResourceARNList=arns, Tags=tags
        )
        # Not an error of the call: it says for each resource what became of it.
        for arn, failure in (answer.get("FailedResourcesMap") or {}).items():
            refused[arn] = str(failure.get("ErrorMessage") or failure.get("ErrorCode"))
    if refused and len(refused) == len(roles) + len(others):
        raise KitError(
            f"AWS takes the new tags on none of {len(refused)} resource(s)",
            "\n".join(f"{what}: {why}" for what, why in list(refused.items())[:_SHOWN]),
        )


def _refused(live: Live, role: str, tags: dict[str, str]) -> str:
    """Why a role cannot be tagged; empty if it is."""
    from botocore.exceptions import ClientError

    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    try:
        live.client("iam").tag_role(RoleName=role, Tags=pairs)
    except ClientError as error:
        return str(error)
    return ""

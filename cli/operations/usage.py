"""The record of an environment's last use, written once a day where `sweep` sees it: use extends its life.

In the configuration, so that the next `up` says the same, and at once in the tags of Airflow's role, which
speaks for the whole environment.
"""

from cli.base import lifetime
from cli.base.errors import KitError
from cli.operations.live import Live
from cli.stack import stack_config
from infra.contract.naming import TAG_EXPIRES, TAG_USED


def used(live: Live) -> None:
    """Keeps a branch's environment for some days from now. Any other is kept anyway.

    Who may look at an environment may not be allowed to tag it: that is no reason not to look.
    """
    plain = live.backend.plain()
    today = live.session.today()
    expires = plain.get(stack_config.EXPIRES_KEY)
    if expires is None or plain.get(stack_config.USED_KEY) == today.isoformat():
        return
    try:
        keep(live, lifetime.kept(expires, today))
    except KitError as error:
        live.session.console.report(f"that it was used today could not be recorded: {error}")


def keep(live: Live, expires: str) -> None:
    """Keeps an environment until a date, which counts as a use."""
    today = live.session.today()
    stack_config.keep(live.backend, expires, today)
    _tag(live, {TAG_EXPIRES: expires, TAG_USED: today.isoformat()})


def _tag(live: Live, tags: dict[str, str]) -> None:
    """KitError if there is no role that takes the tags."""
    # Imported late: only the first use of a day asks the cloud.
    from cli.cloud.errors import translated
    from cli.cloud.resource import everything

    names, iam = live.names, live.client("iam")
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    with translated("tag the environment's role"):
        found = everything(iam, "list_roles", "Roles", PathPrefix=names.iam_path)
        roles = [str(role["RoleName"]) for role in found]
        ours = [name for name in roles if name.startswith(f"{names.role}-")]
        for name in ours:
            iam.tag_role(RoleName=name, Tags=pairs)
    if not ours:
        raise KitError(
            f'"{live.environment.name}" has no role to record its expiry on',
            "Its deployment did not finish.",
            f"./aerodrome up{live.session.same}",
        )

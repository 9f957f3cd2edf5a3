"""Whether the way to a private Kubernetes API is there before the other one is closed."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.cloud.errors import translated
from cli.cloud.resource import Client
from cli.cloud.tunnel import sessions
from cli.cloud.tunnel.plugin import PLUGIN
from cli.operations.bootstrap import requested_settings
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.preflight.refusal import Refusal
from cli.operations.version_check import VersionCheck
from infra.contract import api_endpoints
from infra.contract.naming import Names
from infra.contract.networks import VPC

PUBLIC = "endpointPublicAccess"


def check(
    environment: str,
    requested: RequestedSettings,
    deployed: Sequence[Any],
    client: Callable[[], Client],
    plugin: Callable[[], str],
) -> Refusal | None:
    """`deployed`: the network of the cluster as it is in the state, if there is one; `plugin` finds AWS's, or raises UserError."""
    access = str(requested.value(api_endpoints.SETTING))
    if api_endpoints.is_public(access):
        return None
    if not deployed:
        # In a VPC that the environment itself makes, this machine is not.
        return None if requested.value(VPC) else _without_plugin(plugin)
    if not deployed[0].get(PUBLIC, True):
        return None
    if refusal := _without_plugin(plugin):
        return refusal
    cluster = Names(environment).cluster
    if workers_online(client(), cluster):
        return None
    return Refusal(
        f"No worker of {cluster} is online in AWS Systems Manager",
        f"{api_endpoints.SETTING} {access} closes the public way to the Kubernetes API, and the other one leads through a worker. "
        "With both, the workers may register first. The agent of a worker that was started without that right asks again after "
        "an hour at most; one that is replaced asks at once.",
        api_endpoints.SETTING,
        api_endpoints.BOTH,
    )


def checks(environments: Iterable[Environment], plugin: Callable[[], str]) -> list[VersionCheck]:
    """For `doctor`: one finding, if an environment that is configured here takes sessions."""
    need = [
        each.name
        for each in environments
        if not each.sandboxed
        and api_endpoints.takes_sessions(
            str(requested_settings.read(each).value(api_endpoints.SETTING))
        )
    ]
    if not need:
        return []
    found = _without_plugin(plugin)
    said = f"leads to the Kubernetes API of {', '.join(need)}"
    if found:
        said = f"{found.summary}; it {said}. {found.detail}"
    return [VersionCheck(found is None, said, found.fix if found else "", PLUGIN)]


def workers_online(client: Client, cluster: str) -> bool:
    """Whether a worker takes sessions."""
    with translated(f"list the workers of {cluster}"):
        return any(one.online for one in sessions.running(client, cluster))


def _without_plugin(plugin: Callable[[], str]) -> Refusal | None:
    try:
        plugin()
    except UserError as error:
        return Refusal(error.summary, error.detail, api_endpoints.SETTING, "", error.command)
    return None

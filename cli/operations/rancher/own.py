"""The environment's own Rancher after a deployment: its cluster is registered there, if there is a token to ask with.

It never fails the deployment, which is done by then: what is missing is told, with the command that goes on.
"""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cli.base.errors import KitError
from cli.cloud.rancher import TOKEN, URL
from cli.operations.live import Live
from cli.operations.rancher import agent as agents
from cli.operations.rancher.access import access
from cli.operations.rancher.identity import Identity, uid_of
from cli.operations.rancher.registration import Waits, register

WAITS = Waits(agent=300.0)


def identity_of(live: Live) -> Identity:
    """Its cluster, as Rancher's record of it is found."""
    return Identity(
        live.environment.name,
        live.outputs.cluster_name or live.names.cluster,
        live.outputs.region,
        uid_of(live.kubernetes),
    )


def register_own(
    live: Live, variables: Mapping[str, str] = os.environ, waits: Waits = WAITS
) -> dict[str, Any]:
    """What has come of it, as data; {} without a Rancher of its own, or where its server is only a record."""
    address = live.outputs.rancher_address
    if live.shared or not address or not live.cloud.runs_instances:
        return {}
    command = f"./aerodrome rancher import{live.session.same} --url {address}"
    report = live.session.console.report
    try:
        found = agents.look(live.kubernetes)
        if found.state == agents.HEALTHY and found.server == address:
            return {"registered": True, "agent": found.data(), "next": ""}
        if reason := _unasked(address, variables):
            report(f"its cluster is not registered in its Rancher: {reason}")
            return {"registered": False, "reason": reason, "next": command}
        report(f"its cluster is registered in its Rancher, {address}")
        with access(address, None, variables).open() as rancher:
            done = register(
                rancher,
                live.kubernetes,
                identity_of(live),
                waits=waits,
                report=report,
                again=command,
            )
    except KitError as error:
        report(f"{error.summary}: {error.detail}")
        return {"registered": False, "reason": error.summary, "next": command}
    return {"registered": True, "agent": done.agent.data(), "next": ""}


def _unasked(address: str, variables: Mapping[str, str]) -> str:
    """Why it is not asked; empty if it can be."""
    if not variables.get(TOKEN):
        return f"{TOKEN} is not set; {address} makes one (Account & API Keys)"
    other = variables.get(URL) or address
    if urlsplit(other).netloc != urlsplit(address).netloc:
        # The token is the other's, and none of this one's business.
        return f"{TOKEN} is for {other}, which {URL} names"
    return ""

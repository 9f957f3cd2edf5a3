"""The environment's own Rancher after a deployment: its cluster is registered there, with the token that the server has
handed over, or with that of RANCHER_TOKEN.

It never fails the deployment, which is done by then: what is missing is told, with the command that goes on.
"""

import os
from collections.abc import Mapping
from typing import Any

from cli.base.errors import KitError
from cli.cloud.rancher import AUTHORITY, INSECURE, TOKEN, URL
from cli.operations.live import Live
from cli.operations.rancher import agent as agents
from cli.operations.rancher import handover
from cli.operations.rancher.access import access
from cli.operations.rancher.identity import Identity, uid_of
from cli.operations.rancher.registration import Waits, register

WAITS = Waits(agent=300.0)
OF_A_RANCHER = (URL, TOKEN, AUTHORITY, INSECURE)
"""What says where a Rancher is, how it is asked, and what is trusted there."""


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
        asked_with = _asked_with(live, variables, waits)
        if not asked_with.get(TOKEN):
            reason = f"its server has not handed over a token yet; {address} makes one (Account & API Keys)"
            report(f"its cluster is not registered in its Rancher: {reason}")
            return {"registered": False, "reason": reason, "next": command}
        report(f"its cluster is registered in its Rancher, {address}")
        with access(address, None, asked_with).open() as rancher:
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


def _asked_with(live: Live, variables: Mapping[str, str], waits: Waits) -> Mapping[str, str]:
    """The variables with a token for this Rancher, if there is one. That of another one is none of its business."""
    if variables.get(TOKEN) and handover.is_own(live.outputs, variables):
        return variables
    others = (URL, TOKEN) if handover.is_own(live.outputs, variables) else OF_A_RANCHER
    own = {key: value for key, value in variables.items() if key not in others}
    report = live.session.console.report
    found = handover.waited_for(live.client, live.outputs, waits.token, waits.pause, report)
    return handover.filled(found, own)

"""The environment's own Rancher after a deployment: its cluster is registered there, with the token that the server has
handed over, or with that of RANCHER_TOKEN; then its people get their roles there.

It never fails the deployment, which is done by then: what is missing is told, with the command that goes on.
"""

import os
from collections.abc import Mapping
from typing import Any

from cli.base.errors import KitError
from cli.cloud.rancher import AUTHORITY, INSECURE, TOKEN, URL, Rancher, Unanswered
from cli.operations import access as people
from cli.operations.live import Live
from cli.operations.rancher import agent as agents
from cli.operations.rancher import handover, projects
from cli.operations.rancher.access import access
from cli.operations.rancher.identity import Identity, uid_of
from cli.operations.rancher.registration import Waits, register, told
from infra.contract.naming import Names

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
        found, declared = agents.look(live.kubernetes), declared_people(live)
        works = found.state == agents.HEALTHY and found.server == address
        if works and not declared and not projects.is_in_one(live.kubernetes):
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
            registered = {"registered": True, "agent": done.agent.data(), "next": ""}
            return registered | _with_people(live, rancher, done.identifier, declared, command)
    except KitError as error:
        report(f"{error.summary}: {error.detail}")
        return {"registered": False, "reason": error.summary, "next": command}


def follow_base(live: Live) -> None:
    """A branch's namespace is in the project in Rancher that its base's is in. What stands in the way of that is told, and stops nothing."""
    report = live.session.console.report
    try:
        base = Names(live.outputs.base)
        moved = projects.follow(live.kubernetes, live.names.namespace, base.namespace)
    except KitError as error:
        report(
            f"its namespace is not brought into its base's project in Rancher: {error.summary}: {error.detail}"
        )
        return
    if moved is not None:
        report(
            f"its namespace is in its base's project in Rancher, {moved}"
            if moved
            else "its namespace is in no project in Rancher, as its base's"
        )


def declared_people(live: Live) -> Mapping[str, str]:
    """Who has which role in Rancher, by `access.yaml`; {} without such a file."""
    found = people.read(live.backend)
    return found.rancher if found else {}


def keep_people(
    live: Live, rancher: Rancher, cluster: str, declared: Mapping[str, str], again: str = ""
) -> dict[str, Any]:
    """The environment's project in Rancher, as declared; {} if there is none, and none is wanted."""
    report = live.session.console.report
    try:
        done = projects.keep(
            rancher, live.kubernetes, cluster, live.environment.name, declared, report
        )
    except Unanswered as error:
        raise told(error, again) from error
    return {"project": done.data()} if done.project or done.removed else {}


def _with_people(
    live: Live, rancher: Rancher, cluster: str, declared: Mapping[str, str], command: str
) -> dict[str, Any]:
    try:
        return keep_people(live, rancher, cluster, declared, command)
    except KitError as error:
        live.session.console.report(f"{error.summary}: {error.detail}")
        return {"reason": error.summary, "next": command}


def _asked_with(live: Live, variables: Mapping[str, str], waits: Waits) -> Mapping[str, str]:
    """The variables with a token for this Rancher, if there is one. That of another one is none of its business."""
    if variables.get(TOKEN) and handover.is_own(live.outputs, variables):
        return variables
    others = (URL, TOKEN) if handover.is_own(live.outputs, variables) else OF_A_RANCHER
    own = {key: value for key, value in variables.items() if key not in others}
    report = live.session.console.report
    found = handover.waited_for(live.client, live.outputs, waits.token, waits.pause, report)
    return handover.filled(found, own)

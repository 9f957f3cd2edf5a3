"""What is known of an environment's cluster in a Rancher, by the agent in the cluster and by Rancher itself."""

from typing import Any

from cli.cloud.kubernetes import Kubernetes
from cli.cloud.rancher import Rancher
from cli.operations.rancher import agent as agents
from cli.operations.rancher.identity import Identity
from cli.operations.rancher.registration import connected

UNASKED, UNKNOWN = "not asked", "unknown"
"""Rancher was not asked; it does not know the cluster."""


def of_agent(kubernetes: Kubernetes) -> dict[str, str]:
    """The agent; {} if no Rancher has ever had one there."""
    found = agents.look(kubernetes)
    return {} if found.state == agents.ABSENT else found.data()


def look(kubernetes: Kubernetes, identity: Identity, rancher: Rancher | None) -> dict[str, Any]:
    """Both sides of it. Without a Rancher to ask, the cluster's alone."""
    found = agents.look(kubernetes)
    data: dict[str, Any] = {
        "environment": identity.environment,
        "rancher": rancher.url if rancher else found.server,
        "cluster": {"id": "", "name": "", "state": UNASKED},
        "agent": found.data(),
    }
    reached = None
    if rancher is not None:
        item = next((one for one in rancher.clusters() if identity.owns(one)), None)
        reached = bool(item and connected(item))
        data["cluster"] = (
            {"id": item["id"], "name": item.get("name"), "state": item.get("state") or ""}
            if item
            else {"id": "", "name": "", "state": UNKNOWN}
        )
    data["registered"] = (
        found.state != agents.ABSENT if reached is None else bool(data["cluster"]["id"])
    )
    data["healthy"] = found.state == agents.HEALTHY and reached is not False
    return data

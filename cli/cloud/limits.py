"""The time boxes of a teardown, and of an upgrade: every step ends, whatever the world does."""

from dataclasses import dataclass, field
from typing import Final

from cli.cloud.patience import Patience

EKS_DRAIN_SECONDS: Final = 900
"""For which EKS waits until the pods of a node that it drains are gone; then it gives the node group up."""


@dataclass(frozen=True)
class Limits:
    """Seconds that each kind of waiting may take."""

    drain: float = 60.0
    """For tasks that run: so long that most end, and their logs reach the bucket."""

    cluster: float = 180.0
    """For each kind of thing in the cluster to go: a controller has to act first."""

    settle: float = 45.0
    """For the cloud to delete the network interfaces of nodes."""

    destroy: float = 3600.0
    """For the engine: EKS alone may take half an hour."""

    pause: float = 1.0
    """Between two looks."""

    cloud: Patience = field(default_factory=Patience)
    """For what the cloud deletes."""

    eks: Patience = field(default_factory=lambda: Patience(limit=5400.0, pause=15.0))
    """For an upgrade that EKS is at work on already: it goes on when whoever asked for it is gone."""

    joined: Patience = field(default_factory=lambda: Patience(limit=120.0, pause=5.0))
    """For the nodes that an upgrade has replaced to be seen in the cluster, and the old ones not."""

    tasks: Patience = field(
        default_factory=lambda: Patience(limit=EKS_DRAIN_SECONDS - 120.0, pause=10.0)
    )
    """For tasks that run on a node that is drained to end, with the time that their pods have to stop: two minutes less than
    EKS waits."""

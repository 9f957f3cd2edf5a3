"""How long the cloud is waited for. Data, so that who only says how long loads nothing else."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """How long to try, in seconds."""

    limit: float = 900.0
    """In all: as long as AWS takes for what it deletes slowly, a cluster with its workers."""

    stuck: float = 60.0
    """Without any change, if nothing is on its way out."""

    pause: float = 2.0
    """Between two passes."""

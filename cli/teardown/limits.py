"""The time boxes of a teardown: every step ends, whatever the world does."""

from dataclasses import dataclass, field

from cli.cloud.patience import Patience


@dataclass(frozen=True)
class Limits:
    """Seconds that each kind of waiting may take."""

    drain: float = 60.0
    """For tasks that run: so long that most end, and their logs reach the bucket."""

    cloud: Patience = field(default_factory=Patience)
    """For what the cloud deletes."""

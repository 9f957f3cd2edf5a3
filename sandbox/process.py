"""A program that runs in the sandbox, as data: what the supervisor starts and watches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Ready:
    """The readiness probe of a process: an HTTP(S) GET that gives 200, or a connection.

    `url` like http://127.0.0.1:2379/health, https://..., tcp://host:port or unix:///path. Certificates
    are not checked: the question is whether it is up, and it is our own.
    """

    url: str
    seconds: float = 60.0


@dataclass(frozen=True)
class Process:
    """One long-running program. Its output goes to the log file NAME.log.

    `after` are names of processes that must be ready first; those without a path between
    them start side by side. The supervisor restarts one that ends.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    after: Sequence[str] = ()
    ready: Ready | None = None

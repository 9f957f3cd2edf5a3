"""How long the engine waits for a provider before it gives it up."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """All in seconds. A resource's own time limit is its provider's to keep: the engine only
    notices a provider that does not keep it."""

    start: float = 60.0
    """Until a plugin has printed its port and shaken hands."""

    question: float = 600.0
    """For what changes nothing: configuring, checking, comparing, functions, previews."""

    operation: float = 7200.0
    """For making, reading, changing and deleting a resource that sets no limit of its own."""

    grace: float = 60.0
    """How much longer than a resource's own limit."""

    silence: float = 330.0
    """How often a plugin at work has to show that it is alive. Servers of gRPC take more than
    one sign in five minutes for an attack, if nobody told them otherwise."""

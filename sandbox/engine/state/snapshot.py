"""A stack's resources at one moment, and the rules that every snapshot keeps.

tests/unit/sandbox/engine/state/test_snapshot.py names each rule.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sandbox.engine.model import urn as urns
from sandbox.engine.model.resource import State
from sandbox.errors import EngineBug


@dataclass(frozen=True, slots=True)
class PendingOperation:
    """A call to a provider that was begun and whose outcome was never recorded."""

    kind: str
    """creating, updating, deleting, reading or importing, as Pulumi has it."""

    state: State
    token: str = ""
    """What the provider was given to know a repeated creation by; not in Pulumi's form."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Resources in topological order: what one needs comes before it."""

    resources: list[State] = field(default_factory=list)
    pending: list[PendingOperation] = field(default_factory=list)


def problems(resources: Iterable[State]) -> list[str]:
    """What is wrong with these resources, in words; empty if nothing is.

    References may point to any earlier entry of that URN: while a replacement is under way,
    the old and the new resource share one.
    """
    found = []
    seen: set[str] = set()
    live: set[str] = set()
    provider_ids: set[str] = set()
    for state in resources:
        if not state.delete:
            if state.urn in live:
                found.append(f"{state.urn} is there twice")
            live.add(state.urn)
        if state.parent and state.parent not in seen:
            found.append(f"{state.urn} comes before its parent {state.parent}, or that is missing")
        if state.provider and state.provider not in provider_ids:
            found.append(f"{state.urn} refers to the provider {state.provider}, which is missing")
        for dependency in state.dependencies:
            if dependency not in seen:
                found.append(f"{state.urn} depends on {dependency}, which is missing or later")
        if state.custom and not state.id and not state.external:
            found.append(f"{state.urn} has no id")
        seen.add(state.urn)
        if urns.is_provider(state.type):
            provider_ids.add(f"{state.urn}::{state.id}")
    return found


def verify(resources: Iterable[State]) -> None:
    """Refuse to go on with a snapshot that breaks a rule."""
    found = problems(resources)
    if found:
        raise EngineBug("The state does not hold together", "\n".join(found))

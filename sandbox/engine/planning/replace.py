"""Deleting before replacing: what else has to go, because it cannot live without the old one."""

from collections.abc import Iterable, Mapping

from sandbox.engine.model.resource import State
from sandbox.wire.values import UNKNOWN, Properties


class Dependents:
    """Who needs whom among the resources of the last run, in topological order."""

    def __init__(self, states: Iterable[State]) -> None:
        self._order: dict[str, int] = {}
        self._needed_by: dict[str, list[State]] = {}
        for position, state in enumerate(states):
            if state.delete:
                continue
            self._order[state.urn] = position
            for urn in state.prerequisites():
                self._needed_by.setdefault(urn, []).append(state)

    def of(self, urn: str) -> list[State]:
        """All that need `urn`, over any number of steps; prerequisites come first."""
        found: dict[str, State] = {}
        waiting = [urn]
        while waiting:
            for state in self._needed_by.get(waiting.pop(), ()):
                if state.urn not in found:
                    found[state.urn] = state
                    waiting.append(state.urn)
        return sorted(found.values(), key=lambda state: self._order[state.urn])


def inputs_without(state: State, gone: Mapping[str, State]) -> Properties | None:
    """The inputs of `state` as they look while the resources `gone` are being replaced.

    What comes from one of them is not known; None if nothing does.
    """
    if not state.property_dependencies:
        affected = set(state.inputs) if gone.keys() & set(state.dependencies) else set()
    else:
        affected = {
            key
            for key, urns in state.property_dependencies.items()
            if not gone.keys().isdisjoint(urns)
        }
    affected &= state.inputs.keys()
    if not affected:
        return None
    return {key: UNKNOWN if key in affected else value for key, value in state.inputs.items()}

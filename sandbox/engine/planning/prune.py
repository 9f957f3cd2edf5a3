"""The order of deletions: what needs a resource goes before it."""

from collections.abc import Mapping

from sandbox.engine.model.resource import State


def deletion_order(doomed: Mapping[int, State]) -> dict[int, set[int]]:
    """For each row the rows that must be gone before it may go.

    `doomed` is in stored order. Only earlier rows count as prerequisites: while a
    replacement is under way two rows share a URN, and a later one may be meant by none.
    """
    earlier: dict[str, list[int]] = {}
    waits: dict[int, set[int]] = {row: set() for row in doomed}
    for row, state in doomed.items():
        for urn in state.prerequisites():
            for prerequisite in earlier.get(urn, ()):
                waits[prerequisite].add(row)
        earlier.setdefault(state.urn, []).append(row)
    return waits


def goes_with_another(state: State, doomed_urns: set[str]) -> bool:
    """Whether the cloud deletes it together with something else that is being deleted."""
    return bool(state.options.deleted_with) and state.options.deleted_with in doomed_urns

"""The order of deletions: what needs a resource goes before it."""

from collections.abc import Iterator, Mapping

from sandbox.engine.model.resource import State


def deletion_order(doomed: Mapping[int, State]) -> dict[int, set[int]]:
    """For each row the rows that must be gone before it may go.

    `doomed` is in stored order. Only earlier rows count as prerequisites: while a
    replacement is under way two rows share a URN, and a later one may be meant by none.

    Who depends on a component depends on all that is in it. SDKs say so themselves for
    components of the program, but they do not see the children of remote ones.
    """
    earlier: dict[str, list[int]] = {}
    children: dict[str, list[int]] = {}
    waits: dict[int, set[int]] = {row: set() for row in doomed}
    for row, state in doomed.items():
        for urn in state.prerequisites():
            for prerequisite in earlier.get(urn, ()):
                waits[prerequisite].add(row)
        for urn in state.wanted():
            if any(doomed[prerequisite].custom for prerequisite in earlier.get(urn, ())):
                continue
            for inner in _inside(urn, children, doomed):
                waits[inner].add(row)
        earlier.setdefault(state.urn, []).append(row)
        children.setdefault(state.parent, []).append(row)
    for row, others in waits.items():
        others.discard(row)
    return waits


def _inside(
    component: str, children: Mapping[str, list[int]], doomed: Mapping[int, State]
) -> Iterator[int]:
    """The rows below a component, whatever the depth."""
    for row in children.get(component, ()):
        yield row
        yield from _inside(doomed[row].urn, children, doomed)


def goes_with_another(state: State, doomed_urns: set[str]) -> bool:
    """Whether the cloud deletes it together with something else that is being deleted."""
    return bool(state.options.deleted_with) and state.options.deleted_with in doomed_urns

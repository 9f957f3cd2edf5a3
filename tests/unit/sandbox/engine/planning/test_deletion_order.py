"""Who must be gone before whom."""

from sandbox.engine.model.resource import State
from sandbox.engine.planning.prune import deletion_order


def state(
    name: str, *, custom: bool = True, parent: str = "", needs: tuple[str, ...] = ()
) -> State:
    return State(urn=name, type="t", custom=custom, parent=parent, dependencies=needs)


def order(*states: State) -> dict[str, set[str]]:
    rows = dict(enumerate(states))
    names = {row: s.urn for row, s in rows.items()}
    return {names[row]: {names[o] for o in others} for row, others in deletion_order(rows).items()}


def test_what_needs_another_goes_first() -> None:
    assert order(state("vpc"), state("subnet", needs=("vpc",))) == {
        "vpc": {"subnet"},
        "subnet": set(),
    }


def test_who_needs_a_component_needs_all_that_is_in_it() -> None:
    found = order(
        state("nodes", custom=False),
        state("group", parent="nodes"),
        state("deep", parent="group"),
        state("release", needs=("nodes",)),
    )
    assert found["group"] == {"deep", "release"}
    assert found["deep"] == {"release"}


def test_children_of_one_component_do_not_wait_for_each_other() -> None:
    found = order(
        state("nodes", custom=False), state("a", parent="nodes"), state("b", parent="nodes")
    )
    assert found == {"nodes": {"a", "b"}, "a": set(), "b": set()}


def test_the_children_of_a_resource_are_its_own_affair() -> None:
    found = order(state("vpc"), state("rule", parent="vpc"), state("other", needs=("vpc",)))
    assert found["rule"] == set()

"""The order of deletions."""

from dataclasses import replace

from sandbox.engine.model.resource import Options, State
from sandbox.engine.planning.prune import deletion_order, goes_with_another


def state(name: str, *needs: str) -> State:
    return State(name, "t", True, id=name, dependencies=needs)


def test_dependents_go_first() -> None:
    doomed = {0: state("a"), 1: state("b", "a"), 2: state("c", "a", "b")}
    assert deletion_order(doomed) == {0: {1, 2}, 1: {2}, 2: set()}


def test_parents_and_providers_count() -> None:
    child = replace(state("c"), parent="a", provider="p::1")
    assert deletion_order({0: state("a"), 1: state("p"), 2: child}) == {0: {2}, 1: {2}, 2: set()}


def test_what_stays_does_not_count() -> None:
    assert deletion_order({4: state("b", "a")}) == {4: set()}


def test_two_of_one_name_cannot_wait_for_each_other() -> None:
    doomed = {0: state("y", "x"), 1: state("x"), 2: state("y", "x")}
    assert deletion_order(doomed) == {0: set(), 1: {2}, 2: set()}


def test_deleted_with() -> None:
    with_a = replace(state("b"), options=Options(deleted_with="a"))
    assert goes_with_another(with_a, {"a", "b"})
    assert not goes_with_another(with_a, {"b"})

"""Who is affected when something is deleted before it is replaced."""

from sandbox.engine.model.resource import State
from sandbox.engine.planning.replace import Dependents, inputs_without
from sandbox.wire.values import UNKNOWN


def state(name: str, *needs: str) -> State:
    return State(name, "t", True, id=name, dependencies=needs)


def test_dependents_over_several_steps_in_stored_order() -> None:
    states = [state("a"), state("b", "a"), state("x"), state("c", "b"), state("d", "a", "c")]
    assert [s.urn for s in Dependents(states).of("a")] == ["b", "c", "d"]
    assert Dependents(states).of("x") == []


def test_only_inputs_that_come_from_what_goes_become_unknown() -> None:
    dependent = State(
        "b",
        "t",
        True,
        inputs={"of": 1, "size": 2},
        dependencies=("a",),
        property_dependencies={"of": ("a",), "size": ("x",)},
    )
    assert inputs_without(dependent, {"a": state("a")}) == {"of": UNKNOWN, "size": 2}
    assert inputs_without(dependent, {"y": state("y")}) is None


def test_without_property_dependencies_all_inputs_may_be_affected() -> None:
    dependent = State("b", "t", True, inputs={"of": 1}, dependencies=("a",))
    assert inputs_without(dependent, {"a": state("a")}) == {"of": UNKNOWN}

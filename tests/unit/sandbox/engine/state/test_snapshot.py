"""The rules that every snapshot keeps, one by one."""

from dataclasses import replace

import pytest

from sandbox.engine.model.resource import State
from sandbox.engine.state.snapshot import problems, verify
from sandbox.errors import EngineBug

STACK = State("urn:pulumi:d::p::pulumi:pulumi:Stack::p-d", "pulumi:pulumi:Stack", False)
PROVIDER = State("urn:pulumi:d::p::pulumi:providers:x::q", "pulumi:providers:x", True, id="1")
A = State(
    "urn:pulumi:d::p::x:y:Z::a",
    "x:y:Z",
    True,
    id="a",
    parent=STACK.urn,
    provider=f"{PROVIDER.urn}::1",
)
B = replace(A, urn="urn:pulumi:d::p::x:y:Z::b", id="b", dependencies=(A.urn,))


def test_a_good_one() -> None:
    assert problems([STACK, PROVIDER, A, B]) == []


def test_no_urn_twice() -> None:
    assert "is there twice" in problems([STACK, PROVIDER, A, A])[0]


def test_one_that_waits_for_deletion_may_share_a_urn() -> None:
    assert problems([STACK, PROVIDER, A, replace(A, delete=True)]) == []


def test_parents_come_first() -> None:
    assert "before its parent" in problems([PROVIDER, A, STACK])[0]


def test_dependencies_come_first() -> None:
    assert "depends on" in problems([STACK, PROVIDER, B, A])[0]


def test_providers_are_there_with_their_id() -> None:
    assert "the provider" in problems([STACK, replace(PROVIDER, id="2"), A])[0]


def test_a_resource_of_the_cloud_has_an_id() -> None:
    assert "has no id" in problems([STACK, PROVIDER, replace(A, id="")])[0]


def test_a_bad_one_is_not_saved() -> None:
    with pytest.raises(EngineBug, match="does not hold together"):
        verify([B])

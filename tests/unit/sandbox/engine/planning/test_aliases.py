"""Former names."""

from sandbox.engine.planning.aliases import AliasSpec, expand

STACK = "urn:pulumi:d::p::pulumi:pulumi:Stack::p-d"
PARENT = "urn:pulumi:d::p::c:c:C::app"
CHILD = "urn:pulumi:d::p::c:c:C$x:y:Z::app-thing"


def test_parts_that_are_not_given_are_as_now() -> None:
    urn = "urn:pulumi:d::p::x:y:Z::new"
    specs = [AliasSpec(name="old"), AliasSpec(type="x:y:Old"), AliasSpec(stack="e"), "urn:as:is"]
    assert expand(urn, STACK, specs, {}) == (
        "urn:pulumi:d::p::x:y:Z::old",
        "urn:pulumi:d::p::x:y:Old::new",
        "urn:pulumi:e::p::x:y:Z::new",
        "urn:as:is",
    )


def test_no_parent_and_another_parent() -> None:
    specs = [AliasSpec(no_parent=True), AliasSpec(parent="urn:pulumi:d::p::o:o:O::o")]
    assert expand(CHILD, PARENT, specs, {}) == (
        "urn:pulumi:d::p::x:y:Z::app-thing",
        "urn:pulumi:d::p::o:o:O$x:y:Z::app-thing",
    )


def test_a_child_was_known_under_its_parents_former_name() -> None:
    former = {PARENT: "urn:pulumi:d::p::c:c:C::old"}
    assert expand(CHILD, PARENT, [], former) == ("urn:pulumi:d::p::c:c:C$x:y:Z::old-thing",)


def test_without_aliases_there_are_none() -> None:
    assert expand(CHILD, PARENT, [], {}) == ()

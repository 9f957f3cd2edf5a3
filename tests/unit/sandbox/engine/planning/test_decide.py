"""Goal, old state and the provider's answer to what is to be done: a table."""

from dataclasses import replace

import pytest

from sandbox.engine.model.diff import NONE, Difference
from sandbox.engine.model.resource import Goal, Options, State
from sandbox.engine.model.step import Op
from sandbox.engine.planning.decide import decide
from sandbox.errors import UserError

URN = "urn:pulumi:d::p::x:y:Z::a"
GOAL = Goal(URN, "x:y:Z", "a", custom=True, inputs={})
OLD = State(URN, "x:y:Z", True, id="1")
UPDATE = Difference(True, ("size",))
REPLACE = Difference(True, ("name",), ("name",))
FIRST = replace(REPLACE, delete_before_replace=True)


@pytest.mark.parametrize(
    ("goal", "old", "difference", "op"),
    [
        (GOAL, None, NONE, Op.CREATE),
        (replace(GOAL, import_id="7"), None, NONE, Op.IMPORT),
        (GOAL, OLD, NONE, Op.SAME),
        (GOAL, OLD, UPDATE, Op.UPDATE),
        (GOAL, OLD, REPLACE, Op.REPLACE),
        (GOAL, replace(OLD, init_errors=("sulks",)), NONE, Op.UPDATE),
        (GOAL, replace(OLD, external=True), UPDATE, Op.CREATE),
        (GOAL, replace(OLD, pending_replacement=True), NONE, Op.REPLACE),
        (GOAL, replace(OLD, custom=False), NONE, Op.REPLACE),
        (replace(GOAL, import_id="7"), OLD, NONE, Op.IMPORT),
        (replace(GOAL, import_id="1"), OLD, NONE, Op.SAME),
    ],
)
def test_the_table(goal: Goal, old: State | None, difference: Difference, op: Op) -> None:
    assert decide(goal, old, difference).op is op


@pytest.mark.parametrize(
    ("paths", "op"),
    [(("size",), Op.REPLACE), (("*",), Op.REPLACE), (("size.x",), Op.REPLACE), (("y",), Op.UPDATE)],
)
def test_replace_on_changes(paths: tuple[str, ...], op: Op) -> None:
    goal = replace(GOAL, options=Options(replace_on_changes=paths))
    assert decide(goal, OLD, UPDATE).op is op


@pytest.mark.parametrize(
    ("wanted", "difference", "first"),
    [(None, REPLACE, False), (None, FIRST, True), (True, REPLACE, True), (False, FIRST, False)],
)
def test_the_programs_word_on_the_order_counts_more_than_the_providers(
    wanted: bool | None, difference: Difference, first: bool
) -> None:
    goal = replace(GOAL, delete_before_replace=wanted)
    assert decide(goal, OLD, difference).delete_first is first


def test_protection_forbids_replacing_and_nothing_else() -> None:
    protected = replace(OLD, options=Options(protect=True))
    assert decide(GOAL, protected, UPDATE).op is Op.UPDATE
    with pytest.raises(UserError, match="protected"):
        decide(GOAL, protected, REPLACE)


def test_force_replace() -> None:
    assert decide(GOAL, OLD, NONE, force_replace=True).op is Op.REPLACE

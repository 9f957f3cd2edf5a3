"""What to do with one resource: three values in, one out, no effects."""

from dataclasses import dataclass

from sandbox.engine.model import diff
from sandbox.engine.model.diff import Difference
from sandbox.engine.model.resource import Goal, State
from sandbox.engine.model.step import Op
from sandbox.errors import UserError


@dataclass(frozen=True, slots=True)
class Decision:
    """`delete_first` counts for replacements; `discard` forgets the old without a Delete."""

    op: Op
    difference: Difference = diff.NONE
    delete_first: bool = False
    discard: bool = False


def decide(
    goal: Goal, old: State | None, difference: Difference, *, force_replace: bool = False
) -> Decision:
    """`old` is the resource of that URN (or alias), `difference` the provider's answer.

    `force_replace`: its provider was changed in a way that replaces what it made, or another
    resource takes this one along.
    """
    if old is None:
        return Decision(Op.IMPORT if goal.import_id else Op.CREATE)
    if old.pending_replacement:
        return Decision(Op.REPLACE, difference, discard=True)
    if old.external and goal.custom:
        # It was only read so far. Now it is to be ours: the other one is not touched.
        return Decision(Op.IMPORT if goal.import_id else Op.CREATE, difference, discard=True)
    if goal.import_id and goal.import_id not in (old.id, old.import_id):
        return Decision(Op.IMPORT, difference)
    if old.custom != goal.custom or force_replace or _must_replace(goal, difference):
        _may_replace(goal, old)
        first = goal.delete_before_replace
        return Decision(
            Op.REPLACE,
            difference,
            delete_first=difference.delete_before_replace if first is None else first,
        )
    if difference.changed or old.init_errors:
        return Decision(Op.UPDATE, difference)
    return Decision(Op.SAME)


def _must_replace(goal: Goal, difference: Difference) -> bool:
    if not difference.changed:
        return False
    if difference.replaces:
        return True
    wanted = goal.options.replace_on_changes
    return any(diff.touches(wanted, key) for key in difference.keys)


def _may_replace(goal: Goal, old: State) -> None:
    if old.options.protect:
        raise UserError(
            f"{old.urn} cannot be replaced because it is protected",
            "Take the `protect` option away and run `up` before the change that replaces it.",
        )
    if goal.import_id and old.import_id == goal.import_id:
        raise UserError(
            f"{old.urn} cannot be replaced",
            "Previously-imported resources that still specify an ID may not be replaced; "
            "take the `import_` option away.",
        )

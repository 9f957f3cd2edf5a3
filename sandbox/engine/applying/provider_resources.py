"""A provider is a resource too: its Create is Configure, and its id is the engine's."""

import uuid
from dataclasses import replace

from sandbox.engine.applying import steps
from sandbox.engine.applying.ports import Checked
from sandbox.engine.applying.registry import Registry
from sandbox.engine.applying.run import Run
from sandbox.engine.model import diff
from sandbox.engine.model.resource import Goal, State
from sandbox.engine.model.step import Op
from sandbox.engine.planning.decide import Decision, decide
from sandbox.engine.state.store import now
from sandbox.errors import UserError
from sandbox.wire.marshal import UNKNOWN_STRING
from sandbox.wire.values import Properties, has_unknowns

_INTERNAL = "__internal"
"""Where Pulumi's engine keeps notes of its own. It has none here, but a state with the empty place is the
same state to both engines."""


async def register(
    run: Run, registry: Registry, goal: Goal, row: int | None
) -> tuple[Decision, State]:
    """Start and configure it; from then on `run.providers` has it."""
    version = str(goal.inputs.get("version", ""))
    provider = await run.providers.load(goal.urn, version)
    old = None if row is None else run.ledger[row]
    inputs = goal.inputs
    if old is not None:
        inputs = diff.ignore_changes(old.inputs, inputs, goal.options.ignore_changes)
    checked = await provider.check_config(goal.urn, _told(old.inputs) if old else {}, inputs)
    accept(goal, checked)
    difference = diff.NONE
    if old is not None:
        told = replace(old, inputs=_told(old.inputs))
        difference = await provider.diff_config(told, checked.inputs)
    decision = decide(goal, old, difference)
    wanted = steps.state_of(goal, {_INTERNAL: {}, **checked.inputs}, old)
    if decision.op in (Op.CREATE, Op.REPLACE):
        wanted = replace(wanted, id=_new_id(run.preview), created=now())
    wanted = replace(wanted, outputs=dict(checked.inputs))
    provider.known = not has_unknowns(checked.inputs)
    if provider.known:
        await provider.configure(goal.urn, wanted.id, checked.inputs)
    if decision.op is Op.SAME and row is not None and wanted == old:
        registry.keep(goal.urn, row)
    elif decision.op is Op.REPLACE:
        registry.put(replace(wanted, modified=now()), condemns=row)
    else:
        registry.put(replace(wanted, modified=now()), replaces=row)
    run.providers.add(wanted, provider)
    return decision, wanted


def accept(goal: Goal, checked: Checked) -> None:
    """Refuse inputs that a provider finds wrong."""
    if not checked.failures:
        return
    reasons = [f"{name}: {reason}" if name else reason for name, reason in checked.failures]
    raise UserError(f"{goal.urn} is not right", "\n".join(reasons))


def _new_id(preview: bool) -> str:
    # As in the real engine: what a preview would make has no id yet.
    return UNKNOWN_STRING if preview else str(uuid.uuid4())


def _told(inputs: Properties) -> Properties:
    """A provider's inputs without what the engine keeps among them for itself."""
    return {key: value for key, value in inputs.items() if key != _INTERNAL}

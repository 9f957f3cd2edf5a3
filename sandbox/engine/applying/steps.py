"""One step on one resource: record the intent, ask the provider, record what came of it."""

import time
import uuid
from collections.abc import Awaitable
from dataclasses import replace
from typing import TypeVar

from sandbox.engine.applying.events import StepStarted
from sandbox.engine.applying.ports import Outcome, Provider, ProviderGone
from sandbox.engine.applying.run import Run, summary
from sandbox.engine.model import diff
from sandbox.engine.model import urn as urns
from sandbox.engine.model.resource import Goal, State
from sandbox.engine.model.step import Op
from sandbox.engine.planning.decide import Decision
from sandbox.engine.state.store import now
from sandbox.errors import CloudError, KitError
from sandbox.wire.values import UNKNOWN, Properties, Secret, has_secrets, transform

_Answer = TypeVar("_Answer")


class NotReady(CloudError):
    """The resource was made or changed, but did not become ready. Its state is recorded."""


def state_of(goal: Goal, inputs: Properties, old: State | None = None) -> State:
    """The state that a goal leads to, before anything is known of its outputs."""
    return State(
        urn=goal.urn,
        type=goal.type,
        custom=goal.custom,
        id=old.id if old else "",
        inputs=inputs,
        outputs=old.outputs if old else {},
        parent=goal.parent,
        provider=goal.provider,
        dependencies=goal.dependencies,
        property_dependencies=goal.property_dependencies,
        options=goal.options,
        import_id=goal.import_id,
        created=old.created if old else "",
        modified=old.modified if old else "",
        source_position=goal.source_position,
    )


async def create(
    run: Run,
    provider: Provider,
    goal: Goal,
    inputs: Properties,
    *,
    shown: Decision,
    old: int | None = None,
) -> tuple[int, State]:
    """Make it. `old` is the row that it takes the place of, if there is one."""
    started = time.monotonic()
    old_state = None if old is None else run.ledger[old]
    # What was deleted before, or was never ours, is forgotten; the rest waits for its end.
    discard = shown.discard or old_state is None or old_state.pending_replacement
    run.listener(StepStarted(shown.op, goal.urn))
    wanted = state_of(goal, inputs)
    if run.preview:
        outcome = Outcome("", dict(inputs))
        if provider.known:
            outcome = await provider.create(
                goal.urn, inputs, timeout=goal.options.timeouts.create, preview=True, token=""
            )
            outcome = replace(outcome, id="")
        intent = None
    else:
        token = uuid.uuid4().hex
        intent = run.ledger.intend("creating", wanted, token)
        await run.ledger.sync()
        outcome = await _settled(
            run,
            intent,
            provider.create(
                goal.urn,
                inputs,
                timeout=goal.options.timeouts.create,
                preview=False,
                token=token,
            ),
        )
    moment = now()
    state = replace(
        wanted,
        id=outcome.id,
        outputs=with_secrets(goal, inputs, outcome.outputs),
        init_errors=outcome.reasons,
        created=moment,
        modified=moment,
    )
    row = run.ledger.put(
        state,
        replaces=old if discard else None,
        condemns=None if discard else old,
        intent=intent,
    )
    await run.ledger.sync()
    _finish(run, shown, state, old_state, inputs, started, outcome)
    return row, state


async def update(
    run: Run,
    provider: Provider,
    goal: Goal,
    inputs: Properties,
    *,
    shown: Decision,
    old: int,
) -> tuple[int, State]:
    """Change it in place."""
    started = time.monotonic()
    old_state = run.ledger[old]
    run.listener(StepStarted(shown.op, goal.urn))
    intent = None
    options = goal.options
    if run.preview:
        outcome = Outcome(old_state.id, dict(inputs))
        if provider.known:
            outcome = await provider.update(
                old_state,
                inputs,
                ignore_changes=options.ignore_changes,
                timeout=options.timeouts.update,
                preview=True,
            )
    else:
        intent = run.ledger.intend("updating", old_state)
        await run.ledger.sync()
        outcome = await _settled(
            run,
            intent,
            provider.update(
                old_state,
                inputs,
                ignore_changes=options.ignore_changes,
                timeout=options.timeouts.update,
                preview=False,
            ),
        )
    state = replace(
        state_of(goal, inputs, old_state),
        outputs=with_secrets(goal, inputs, outcome.outputs),
        init_errors=outcome.reasons,
        modified=now(),
    )
    row = run.ledger.put(state, replaces=old, intent=intent)
    await run.ledger.sync()
    _finish(run, shown, state, old_state, inputs, started, outcome)
    return row, state


async def adopt(
    run: Run, provider: Provider, goal: Goal, inputs: Properties, *, old: int | None
) -> tuple[int, State]:
    """Take over a resource that exists already: `import_`."""
    started = time.monotonic()
    run.listener(StepStarted(Op.IMPORT, goal.urn))
    found = await provider.read(goal.urn, goal.import_id, {}, {}) if provider.known else None
    if found is None:
        raise CloudError(
            f"There is no {goal.type} with the id {goal.import_id} to import",
            urn=goal.urn,
            operation="import",
        )
    moment = now()
    state = replace(
        state_of(goal, inputs),
        id=found.id or goal.import_id,
        outputs=with_secrets(goal, inputs, found.outputs),
        created=moment,
        modified=moment,
    )
    row = run.ledger.put(state, condemns=old)
    await run.ledger.sync()
    run.done(summary(Op.IMPORT, goal.urn, seconds=time.monotonic() - started))
    return row, state


async def delete(run: Run, provider: Provider | None, row: int, *, keep_row: bool = False) -> None:
    """Delete it in the cloud, if it is ours. `keep_row`: its replacement is yet to be made."""
    state = run.ledger[row]
    intent = None
    if provider is not None and not run.preview:
        intent = run.ledger.intend("deleting", state)
        await run.ledger.sync()
        await _settled(run, intent, provider.delete(state, timeout=state.options.timeouts.delete))
    if keep_row:
        run.ledger.await_replacement(row, intent)
    else:
        run.ledger.drop(row, intent)
    await run.ledger.sync()


def with_secrets(goal: Goal, inputs: Properties, outputs: Properties) -> Properties:
    """`outputs` with what the program or a secret input says is secret marked so."""
    marked = dict(outputs)
    for key, value in outputs.items():
        if isinstance(value, Secret) or value is UNKNOWN:
            continue
        if key in goal.options.additional_secret_outputs:
            marked[key] = Secret(_unwrapped(value))
        elif not has_secrets(value) and isinstance(inputs.get(key), Secret):
            # The provider took a secret and gave it back in clear.
            marked[key] = Secret(value)
    return marked


def _unwrapped(value: object) -> object:
    return transform(value, lambda node: node.value if isinstance(node, Secret) else node)


async def _settled(run: Run, intent: int, call: Awaitable[_Answer]) -> _Answer:
    """Await a provider's call. An intent stays open only if nobody knows what became of it."""
    try:
        return await call
    except ProviderGone:
        raise
    except KitError:
        run.ledger.settle(intent)
        raise


def _finish(
    run: Run,
    shown: Decision,
    state: State,
    old: State | None,
    inputs: Properties,
    started: float,
    outcome: Outcome,
) -> None:
    run.mask.learn(state.outputs)
    before = {} if old is None else old.inputs
    difference = shown.difference
    step = summary(
        shown.op,
        state.urn,
        keys=difference.keys,
        changes=[] if shown.op is Op.CREATE else diff.changes(before, inputs, difference.replaces),
        seconds=time.monotonic() - started,
    )
    if outcome.reasons:
        verb = "created" if shown.op in (Op.CREATE, Op.REPLACE) else "updated"
        raise NotReady(
            f"{urns.type_of(state.urn)} {urns.name_of(state.urn)} was {verb}, "
            "but did not become ready",
            "\n".join(outcome.reasons),
            urn=state.urn,
            operation=str(shown.op),
        )
    run.done(step)

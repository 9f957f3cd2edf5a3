"""A pass without the program that looks at every resource and records how it is."""

import asyncio
import time
from dataclasses import replace

from sandbox.engine.applying.deletion import provider_of
from sandbox.engine.applying.events import StepStarted
from sandbox.engine.applying.run import Run, summary
from sandbox.engine.model import diff
from sandbox.engine.model import urn as urns
from sandbox.engine.model.resource import State
from sandbox.engine.model.step import Op
from sandbox.engine.state.store import now
from sandbox.errors import CloudError, KitError


async def refresh_all(run: Run, targets: frozenset[str] = frozenset()) -> None:
    """Read everything; what is gone leaves the state, and with it all references to it."""
    rows = [
        number for number, row in run.ledger.rows.items() if not targets or row.state.urn in targets
    ]
    gone = await asyncio.gather(*(_refresh(run, row) for row in rows))
    _forget({urn for urn in gone if urn}, run)


async def _refresh(run: Run, row: int) -> str:
    """The URN, if the resource is gone."""
    state = run.ledger[row]
    if not _is_readable(state):
        if state.custom is False:
            run.done(summary(Op.SAME, state.urn))
        return ""
    try:
        async with run.slots:
            if run.stopping:
                return ""
            started = time.monotonic()
            run.listener(StepStarted(Op.REFRESH, state.urn))
            provider = await provider_of(run, state)
            if provider is None:
                return ""
            found = await provider.read(state.urn, state.id, state.inputs, state.outputs)
    except KitError as error:
        if isinstance(error, CloudError) and not error.urn:
            error.urn = state.urn
        run.fail(Op.REFRESH, state.urn, error)
        return ""
    seconds = time.monotonic() - started
    if found is None:
        run.ledger.drop(row)
        run.done(summary(Op.DELETE, state.urn, seconds=seconds))
        return state.urn
    new = replace(
        state,
        id=found.id,
        outputs=found.outputs,
        inputs=state.inputs if found.inputs is None else found.inputs,
        init_errors=found.reasons,
    )
    changes = diff.changes(state.outputs, new.outputs)
    if new == state or not (changes or new.init_errors != state.init_errors):
        if new != state:
            run.ledger.set_outputs(row, new)
        run.done(summary(Op.SAME, state.urn, seconds=seconds))
        return ""
    run.ledger.set_outputs(row, replace(new, modified=now()))
    keys = diff.compare(state.outputs, new.outputs).keys
    run.done(summary(Op.UPDATE, state.urn, keys=keys, changes=changes, seconds=seconds))
    return ""


def _is_readable(state: State) -> bool:
    return (
        state.custom
        and not urns.is_provider(state.type)
        and state.type != urns.STACK_REFERENCE_TYPE
        and not state.delete
        and not state.pending_replacement
    )


def _forget(gone: set[str], run: Run) -> None:
    """Take references to what is gone out of everything else."""
    if not gone:
        return
    stack = next(
        (r.state.urn for r in run.ledger.rows.values() if r.state.type == urns.STACK_TYPE), ""
    )
    for number, row in list(run.ledger.rows.items()):
        state = row.state
        if state.prerequisites().isdisjoint(gone):
            continue
        run.ledger.set_outputs(
            number,
            replace(
                state,
                parent=stack if state.parent in gone else state.parent,
                dependencies=tuple(u for u in state.dependencies if u not in gone),
                property_dependencies={
                    key: tuple(u for u in urns_ if u not in gone)
                    for key, urns_ in state.property_dependencies.items()
                },
                options=replace(
                    state.options,
                    deleted_with=""
                    if state.options.deleted_with in gone
                    else state.options.deleted_with,
                ),
            ),
        )

"""Deletes a set of resources: what needs another goes first, the rest side by side."""

import asyncio
import time
from collections.abc import Collection, Mapping

from sandbox.engine.applying import steps
from sandbox.engine.applying.events import StepStarted
from sandbox.engine.applying.ports import Provider
from sandbox.engine.applying.run import Run, summary
from sandbox.engine.model import urn as urns
from sandbox.engine.model.resource import State
from sandbox.engine.model.step import Op
from sandbox.engine.planning.prune import deletion_order, goes_with_another
from sandbox.errors import CloudError, KitError, UserError


async def provider_of(run: Run, state: State) -> Provider | None:
    """Who can delete or read `state`; None if nobody has to be asked."""
    if not state.custom or state.external or not state.provider:
        return None
    if urns.is_provider(state.type):
        return None
    reference = state.provider
    try:
        return run.providers.get(reference)
    except UserError:
        pass
    for row in run.ledger.rows.values():
        candidate = row.state
        if urns.is_provider(candidate.type) and f"{candidate.urn}::{candidate.id}" == reference:
            return await run.providers.revive(candidate)
    raise CloudError(f"The provider of {state.urn} is not in the state", reference, urn=state.urn)


async def delete_all(
    run: Run, doomed: Mapping[int, State], *, quiet: Collection[int] = frozenset()
) -> None:
    """Delete these rows. After a failure what does not depend on it is still deleted;
    what is protected stays, with all that it needs, and is an error at the end."""
    protected = {row for row, s in doomed.items() if s.options.protect and not s.delete}
    needed = _needed_by_unsettled(run)
    held = {row for row, s in doomed.items() if s.urn in needed}
    await _delete_in_order(run, doomed, protected | held, quiet)
    for row in sorted(protected):
        run.fail(Op.DELETE, doomed[row].urn, _protected(doomed[row]))
    for row in sorted(held):
        if not run.errors:
            run.fail(Op.DELETE, doomed[row].urn, _held(doomed[row]))


async def _delete_in_order(
    run: Run, doomed: Mapping[int, State], stuck: Collection[int], quiet: Collection[int]
) -> None:
    """Everything but what is stuck, and what that needs."""
    remaining = deletion_order(doomed)
    blocks: dict[int, list[int]] = {row: [] for row in doomed}
    for row, others in remaining.items():
        for other in others:
            blocks[other].append(row)
    urns_doomed = {state.urn for state in doomed.values()}
    ready = [row for row, others in remaining.items() if not others]
    running: dict[asyncio.Task[bool], int] = {}
    while ready or running:
        # Later rows first: the reverse of the order in which things were made.
        for row in sorted(ready, reverse=True):
            if row in stuck or run.stopping:
                continue
            alone = not goes_with_another(doomed[row], urns_doomed)
            work = _delete(run, row, ask=alone, counts=row not in quiet)
            running[asyncio.ensure_future(work)] = row
        ready = []
        if not running:
            return
        finished, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in finished:
            row = running.pop(task)
            for other in blocks[row] if task.result() else ():
                remaining[other].discard(row)
                if not remaining[other]:
                    ready.append(other)


def _needed_by_unsettled(run: Run) -> set[str]:
    """What is needed to find out what became of a creation that was interrupted."""
    needed: set[str] = set()
    for operation in run.ledger.pending.values():
        if operation.kind == "creating":
            needed |= operation.state.prerequisites()
    return needed


async def _delete(run: Run, row: int, *, ask: bool, counts: bool) -> bool:
    """Whether it is gone. A failure is recorded, and leaves the others to go on."""
    state = run.ledger[row]
    try:
        async with run.slots:
            started = time.monotonic()
            retained = not ask or state.options.retain_on_delete
            provider = None
            if not state.pending_replacement and not retained:
                if state.custom and not urns.is_provider(state.type) and not state.external:
                    run.listener(StepStarted(Op.DELETE, state.urn))
                if not run.preview:
                    provider = await provider_of(run, state)
            await steps.delete(run, provider, row)
    except KitError as error:
        if isinstance(error, CloudError) and not error.urn:
            error.urn = state.urn
        stopping = run.stopping
        run.fail(Op.DELETE, state.urn, error)
        # Deletions that do not depend on it are still worth doing.
        run.stopping = stopping
        return False
    silent = state.external or state.pending_replacement or _is_default_provider(state)
    if not silent:
        step = summary(
            Op.DELETE,
            state.urn,
            seconds=time.monotonic() - started,
            retained=retained and state.custom,
        )
        run.done(step, counts=counts)
    return True


def _is_default_provider(state: State) -> bool:
    return urns.is_provider(state.type) and urns.name_of(state.urn).startswith("default")


def _held(state: State) -> CloudError:
    return CloudError(
        f"{state.urn} is not deleted yet",
        "An earlier run was interrupted while it created something that needs it, and it "
        "could not be found out what became of that (see the warning). Run it again.",
        urn=state.urn,
    )


def _protected(state: State) -> UserError:
    return UserError(
        f"{state.urn} cannot be deleted because it is protected",
        "Take the `protect` option away, run `up`, then delete it.",
    )

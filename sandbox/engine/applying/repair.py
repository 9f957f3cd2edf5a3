"""Before anything else: what a killed engine had begun and never recorded the end of.

- creating: nobody knows the id. The provider is asked to create again, with the same inputs
  and the same token, marked as repeated: one that made it the first time answers with what
  it made. Then the ordinary run decides whether the program still wants it.
- updating: read what it is now, so that the next Diff starts from the truth.
- deleting: read. What is gone is not deleted a second time, and made anew if the program
  still has it.
"""

from dataclasses import replace

from sandbox.engine.applying.deletion import provider_of
from sandbox.engine.applying.events import Diagnostic
from sandbox.engine.applying.ports import ProviderGone
from sandbox.engine.applying.run import Run
from sandbox.engine.model import urn as urns
from sandbox.engine.model.resource import State
from sandbox.engine.state.snapshot import PendingOperation
from sandbox.engine.state.store import now
from sandbox.errors import CloudError, KitError


async def repair(run: Run) -> None:
    """Settle every pending operation; one that cannot be settled stays, with a warning."""
    if not run.ledger.pending:
        return
    for intent, operation in list(run.ledger.pending.items()):
        state = operation.state
        name = f"{urns.type_of(state.urn)} {urns.name_of(state.urn)}"
        try:
            what = await _repair(run, intent, operation)
        except ProviderGone:
            raise
        except KitError as error:
            run.listener(
                Diagnostic(
                    "warning",
                    f"{operation.kind.capitalize()} {name} was interrupted by an earlier run, "
                    f"and it cannot be found out what became of it:\n{error}",
                    state.urn,
                )
            )
            if operation.kind != "creating":
                run.ledger.settle(intent)
            continue
        run.listener(
            Diagnostic(
                "info",
                f"{operation.kind.capitalize()} {name} was interrupted by an earlier run: {what}.",
                state.urn,
            )
        )
    await run.ledger.sync()


async def _repair(run: Run, intent: int, operation: PendingOperation) -> str:
    state = operation.state
    provider = await provider_of(run, state)
    if provider is None:
        run.ledger.settle(intent)
        return "nothing to be done"
    if operation.kind == "creating":
        return await _create_again(run, intent, operation)
    row = _row_of(run, state)
    if row is None:
        run.ledger.settle(intent)
        return "it is not in the state"
    found = await provider.read(state.urn, state.id, state.inputs, state.outputs)
    if found is None:
        # Others may refer to it still, so its place is kept until the program has spoken.
        run.ledger.await_replacement(row, intent)
        return "it is gone"
    inputs = state.inputs if found.inputs is None else found.inputs
    run.ledger.set_outputs(
        row, replace(run.ledger[row], inputs=inputs, outputs=found.outputs, modified=now())
    )
    run.ledger.settle(intent)
    return "read again"


async def _create_again(run: Run, intent: int, operation: PendingOperation) -> str:
    state = operation.state
    provider = await provider_of(run, state)
    if provider is None:
        raise CloudError("It has no provider")
    outcome = await provider.create(
        state.urn,
        state.inputs,
        timeout=state.options.timeouts.create,
        preview=False,
        token=operation.token,
        repeated=True,
    )
    moment = now()
    made = replace(
        state,
        id=outcome.id,
        outputs=outcome.outputs,
        init_errors=outcome.reasons,
        created=moment,
        modified=moment,
    )
    live = _live_row(run, state.urn)
    if live is None:
        run.ledger.put(made, intent=intent, repaired=True)
    elif run.ledger[live].pending_replacement:
        run.ledger.put(made, replaces=live, intent=intent, repaired=True)
    elif run.ledger[live].id == made.id:
        run.ledger.settle(intent)
    elif intent in run.ledger.carried:
        # The program has gone on with another one meanwhile; this one only has to go.
        run.ledger.put(replace(made, delete=True), intent=intent, repaired=True)
    else:
        # It was to replace the one that is still there.
        run.ledger.put(made, condemns=live, intent=intent, repaired=True)
    return "made again, or found"


def _row_of(run: Run, state: State) -> int | None:
    """Exactly that one: its replacement has the same URN."""
    wanted = (state.urn, state.id, state.delete)
    for number, row in run.ledger.rows.items():
        if (row.state.urn, row.state.id, row.state.delete) == wanted:
            return number
    return None


def _live_row(run: Run, urn: str) -> int | None:
    for number, row in run.ledger.rows.items():
        if row.state.urn == urn and not row.state.delete:
            return number
    return None

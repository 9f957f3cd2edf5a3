"""What is replaced in this run; deleting first, with those that cannot live without it."""

import time
from collections.abc import Container, Mapping

from sandbox.engine.applying import deletion, steps
from sandbox.engine.applying.run import Run, summary
from sandbox.engine.model import urn as urns
from sandbox.engine.model.resource import Goal, State
from sandbox.engine.model.step import Op
from sandbox.engine.planning.replace import Dependents, inputs_without
from sandbox.errors import UserError


class Replacements:
    """`old` gives the rows of the last run's resources by URN."""

    def __init__(self, run: Run, old: Mapping[str, int]) -> None:
        self._run = run
        self._old = old
        self._dependents: Dependents | None = None
        self.urns: set[str] = set()
        """Everything that has been replaced so far, or is about to be."""

    async def delete_first(self, goal: Goal, row: int, registered: Container[str]) -> None:
        """Delete the row and, before it, those that must be replaced along with it.

        What is `registered` already in this run no longer needs the old one.
        """
        going = await self._dependents_to_replace(self._run.ledger[row], registered)
        for state in going:
            if state.options.protect:
                raise UserError(
                    f"{state.urn} cannot be replaced because it is protected",
                    f"It would have to be, because {goal.urn} is replaced.",
                )
        for state in reversed(going):
            self.urns.add(state.urn)
            await self._delete(self._old[state.urn])
        await self._delete(row)

    async def _delete(self, row: int) -> None:
        state = self._run.ledger[row]
        if not state.custom or urns.is_provider(state.type):
            return
        started = time.monotonic()
        provider = None
        if not state.options.retain_on_delete:
            provider = await deletion.provider_of(self._run, state)
        await steps.delete(self._run, provider, row, keep_row=True)
        step = summary(Op.DELETE, state.urn, seconds=time.monotonic() - started)
        self._run.done(step, counts=False)

    async def _dependents_to_replace(self, root: State, registered: Container[str]) -> list[State]:
        ledger = self._run.ledger
        if self._dependents is None:
            rows = sorted(row for row in self._old.values() if row in ledger)
            self._dependents = Dependents(ledger[row] for row in rows)
        gone = {root.urn: root}
        for state in self._dependents.of(root.urn):
            row = self._old.get(state.urn)
            if row is None or row not in ledger or state.urn in registered:
                continue
            if await self._goes_along(ledger[row], gone):
                gone[state.urn] = ledger[row]
        del gone[root.urn]
        return list(gone.values())

    async def _goes_along(self, state: State, gone: Mapping[str, State]) -> bool:
        """Ask the provider, with what comes from the others as not known."""
        if not state.custom or state.external or state.pending_replacement:
            return False
        if urns.split_reference(state.provider)[0] in gone:
            return True
        inputs = inputs_without(state, gone)
        if inputs is None or urns.is_provider(state.type):
            return False
        provider = await deletion.provider_of(self._run, state)
        if provider is None or not provider.known:
            return False
        answer = await provider.diff(state, inputs, state.options.ignore_changes)
        return bool(answer.replaces)

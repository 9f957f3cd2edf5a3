"""A pass in which the program runs: registrations come in, states go back.

`protocol.monitor` turns calls into goals and hands them to `register`, `read` and
`set_outputs`; the decisions are those of `planning`, the effects those of `steps`. Every
registration is a task of its own, so that a program that goes away stops none half way.
"""

import asyncio
import os
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sandbox.engine.applying import deletion, provider_resources, steps
from sandbox.engine.applying.ports import Checked, Provider
from sandbox.engine.applying.registry import Registry
from sandbox.engine.applying.replacements import Replacements
from sandbox.engine.applying.run import Run, Stopped, summary
from sandbox.engine.model import diff
from sandbox.engine.model import urn as urns
from sandbox.engine.model.diff import Difference
from sandbox.engine.model.resource import Goal, State
from sandbox.engine.model.step import Op
from sandbox.engine.planning.decide import Decision, decide
from sandbox.engine.state.store import now
from sandbox.errors import CloudError, EngineBug, KitError, UserError
from sandbox.wire.values import UNKNOWN, Properties, has_unknowns

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Registered:
    """The answer to a registration. `unknown`: not made, because it is no target."""

    state: State
    unknown: bool = False


class Deployment:
    """One pass of preview or up."""

    def __init__(self, run: Run, targets: frozenset[str] = frozenset()) -> None:
        self.run = run
        self._targets = targets
        self._registry = Registry(run.ledger)
        self._pending_creation: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._replacements = Replacements(run, self._registry.old)

    # ------------------------------------------------------------------ for the monitor

    async def register(self, goal: Goal) -> Registered:
        """Make the world as `goal` has it, or find that it is."""
        return await self._in_own_task(self._guarded(Op.UPDATE, goal.urn, self._register(goal)))

    async def read(self, goal: Goal, id_: Any) -> Registered:
        """Look at a resource that is not ours: `get`."""
        return await self._in_own_task(self._guarded(Op.READ, goal.urn, self._read(goal, id_)))

    async def register_default_provider(self, goal: Goal) -> State:
        """For `Providers.default`: one resource more, though the program does not name it."""
        return (await self._guarded(Op.CREATE, goal.urn, self._register(goal))).state

    def add_built_in(self, state: State) -> None:
        """The engine's own provider, which needs no plugin."""
        registry = self._registry
        if registry.claimed(state.urn):
            return
        registry.claim(state.urn)
        old = registry.old.get(state.urn)
        if old is None:
            registry.put(state)
        else:
            registry.keep(state.urn, old)

    def set_outputs(self, urn: str, outputs: Properties) -> None:
        """A component has got its outputs."""
        row = self._registry.current.get(urn)
        if row is None:
            raise UserError(f"Outputs for an unknown resource: {urn}")
        state = self.run.ledger[row]
        if state.outputs != outputs:
            self.run.ledger.set_outputs(row, replace(state, outputs=outputs))

    def lookup(self, urn: str) -> State | None:
        """A resource registered in this run."""
        return self._registry.state(urn)

    @property
    def former_urns(self) -> Mapping[str, str]:
        """Resources found under an alias: what they were called before."""
        return self._registry.former_urns

    def is_pending(self, urn: str) -> bool:
        """Whether a preview says that it will be made."""
        return urn in self._pending_creation

    async def settle(self) -> None:
        """Wait until nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def finish(self) -> None:
        """The program is done: delete what it no longer has, and what was replaced."""
        await self.settle()
        if self.run.stopping:
            return
        kept = set(self._registry.current.values())
        doomed = {
            number: row.state for number, row in self.run.ledger.rows.items() if number not in kept
        }
        if self._targets:
            doomed = {n: s for n, s in doomed.items() if s.delete or s.urn in self._targets}
        # The delete half of a replacement was counted when its other half was made.
        quiet = {n for n, s in doomed.items() if s.delete and s.urn in self._replacements.urns}
        await deletion.delete_all(self.run, doomed, quiet=quiet)

    # ----------------------------------------------------------------------- tasks

    async def _in_own_task(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Nobody may be left to hear of it; it was recorded in the run.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return await asyncio.shield(task)

    async def _guarded(self, op: Op, urn: str, work: Coroutine[Any, Any, Registered]) -> Registered:
        if self.run.stopping:
            work.close()
            raise Stopped
        try:
            return await work
        except KitError as error:
            self.run.fail(op, urn, error)
            raise Stopped from error

    # ------------------------------------------------------------------- registrations

    async def _register(self, goal: Goal) -> Registered:
        self._registry.claim(goal.urn)
        row = self._registry.find(goal)
        if self._targets and goal.urn not in self._targets and not urns.is_provider(goal.type):
            skipped = self._skip(goal, row)
            if skipped is not None:
                return skipped
        if not goal.custom:
            return Registered(self._component(goal, row))
        if urns.is_provider(goal.type):
            return Registered(await self._provider(goal, row))
        async with self.run.slots:
            self.run.begin()
            state = await self._custom(goal, row)
        return Registered(state)

    def _skip(self, goal: Goal, row: int | None) -> Registered | None:
        """What to answer for a resource that is no target; None for new components, which
        cost nothing."""
        if row is not None:
            state = self.run.ledger[row]
            self._registry.keep(goal.urn, row)
            return Registered(state)
        return Registered(steps.state_of(goal, {}), unknown=True) if goal.custom else None

    def _component(self, goal: Goal, row: int | None) -> State:
        old = None if row is None else self.run.ledger[row]
        difference = diff.NONE if old is None else diff.compare(old.inputs, goal.inputs)
        decision = decide(goal, old, difference)
        if decision.op is Op.SAME and row is not None:
            state = self._same(goal, goal.inputs, row)
        else:
            moment = now()
            usable = old if old is not None and not old.custom else None
            state = steps.state_of(goal, goal.inputs, usable)
            state = replace(state, created=state.created or moment, modified=moment)
            if decision.op is Op.REPLACE:
                self._registry.put(state, condemns=row)
                self._replacements.urns.add(goal.urn)
            else:
                self._registry.put(state, replaces=row)
            self._report(decision, goal.urn)
        return state

    def _same(self, goal: Goal, inputs: Properties, row: int) -> State:
        """Nothing to do for the provider; the options may have changed all the same."""
        old = self.run.ledger[row]
        state = steps.state_of(goal, inputs, old)
        if state == old:
            self._registry.keep(goal.urn, row)
        else:
            self._registry.put(state, replaces=row)
        self._report(Decision(Op.SAME), goal.urn)
        return state

    def _report(self, decision: Decision, urn: str) -> None:
        self.run.done(summary(decision.op, urn, keys=decision.difference.keys))

    async def _provider(self, goal: Goal, row: int | None) -> State:
        decision, state = await provider_resources.register(self.run, self._registry, goal, row)
        if decision.op is Op.REPLACE:
            self._replacements.urns.add(goal.urn)
        # A default provider is the engine's affair: nobody wants it counted.
        if not urns.name_of(goal.urn).startswith("default"):
            self._report(decision, goal.urn)
        return state

    async def _custom(self, goal: Goal, row: int | None) -> State:
        run = self.run
        provider = run.providers.get(goal.provider)
        old = None if row is None else run.ledger[row]
        comparable = old is not None and old.custom and not old.external
        if old is not None and old.pending_replacement:
            comparable = False
        olds = old.inputs if old is not None and comparable else {}
        inputs = goal.inputs
        run.mask.learn(inputs)
        if comparable:
            inputs = diff.ignore_changes(olds, inputs, goal.options.ignore_changes)
        if not run.preview and has_unknowns(inputs):
            raise UserError(
                f"{goal.urn} needs something that is not made",
                "One of its inputs comes from a resource that is no target.",
            )
        seed = os.urandom(32)
        checked = await self._check(provider, goal, olds, inputs, seed)
        difference, force = diff.NONE, False
        if old is not None and comparable:
            difference = await self._difference(provider, goal, old, checked.inputs)
            force = await self._is_forced(provider, goal, old)
        decision = decide(goal, old, difference, force_replace=force)
        return await self._carry_out(decision, provider, goal, checked.inputs, row, seed)

    async def _check(
        self, provider: Provider, goal: Goal, olds: Properties, news: Properties, seed: bytes
    ) -> Checked:
        if not provider.known:
            return Checked(news)
        checked = await provider.check(goal.urn, olds, news, seed)
        provider_resources.accept(goal, checked)
        return checked

    async def _difference(
        self, provider: Provider, goal: Goal, old: State, inputs: Properties
    ) -> Difference:
        if not provider.known:
            return diff.compare(old.inputs, inputs)
        return await provider.diff(old, inputs, goal.options.ignore_changes)

    async def _is_forced(self, provider: Provider, goal: Goal, old: State) -> bool:
        """Whether something else decides that it is replaced."""
        if not self._replacements.urns.isdisjoint(goal.replace_with):
            return True
        provider_urn = urns.split_reference(goal.provider)[0]
        if provider_urn in self._replacements.urns:
            return True
        old_urn = urns.split_reference(old.provider)[0]
        if not old.provider or provider_urn == self._registry.new_urn(old_urn):
            return False
        # Another provider, perhaps of another version: would it have replaced the old one?
        old_provider = self._registry.old_state(old_urn)
        new_state = self._registry.state(provider_urn)
        if old_provider is None or new_state is None or not provider.known:
            return False
        answer = await provider.diff_config(old_provider, new_state.inputs)
        return bool(answer.replaces)

    async def _carry_out(
        self,
        decision: Decision,
        provider: Provider,
        goal: Goal,
        inputs: Properties,
        row: int | None,
        seed: bytes,
    ) -> State:
        run = self.run
        match decision.op:
            case Op.SAME if row is not None:
                return self._same(goal, inputs, row)
            case Op.UPDATE if row is not None:
                new, state = await self._recorded(
                    goal, steps.update(run, provider, goal, inputs, shown=decision, old=row)
                )
            case Op.IMPORT:
                new, state = await steps.adopt(run, provider, goal, inputs, old=row)
            case Op.CREATE | Op.REPLACE:
                if decision.op is Op.REPLACE:
                    self._replacements.urns.add(goal.urn)
                    if decision.delete_first and row is not None:
                        await self._replacements.delete_first(goal, row, self._registry.current)
                    checked = await self._check(provider, goal, {}, self._fresh(goal), seed)
                    inputs = checked.inputs
                if run.preview:
                    self._pending_creation.add(goal.urn)
                new, state = await self._recorded(
                    goal, steps.create(run, provider, goal, inputs, shown=decision, old=row)
                )
            case _:
                raise EngineBug("A decision that nobody can carry out", str(decision.op))
        self._registry.current[goal.urn] = new
        return state

    def _fresh(self, goal: Goal) -> Properties:
        """The inputs of a replacement: as the program has them, autonames anew."""
        olds = self._registry.old_inputs(goal)
        if olds is None:
            return goal.inputs
        return diff.ignore_changes(olds, goal.inputs, goal.options.ignore_changes)

    async def _recorded(
        self, goal: Goal, step: Coroutine[Any, Any, tuple[int, State]]
    ) -> tuple[int, State]:
        try:
            return await step
        except KitError as error:
            if isinstance(error, CloudError) and not error.urn:
                error.urn = goal.urn
            raise

    # --------------------------------------------------------------------------- reads

    async def _read(self, goal: Goal, id_: Any) -> Registered:
        self._registry.claim(goal.urn)
        row = self._registry.find(goal)
        run = self.run
        provider = run.providers.get(goal.provider)
        if id_ is UNKNOWN or not provider.known:
            state = replace(steps.state_of(goal, goal.inputs), external=True)
            self._registry.put(state, replaces=row)
            return Registered(state, unknown=True)
        started = time.monotonic()
        async with run.slots:
            run.begin()
            found = await provider.read(goal.urn, str(id_), goal.inputs, {})
        if found is None:
            raise CloudError(
                f"There is no {goal.type} with the id {id_}", urn=goal.urn, operation="read"
            )
        state = replace(
            steps.state_of(goal, found.inputs or goal.inputs),
            id=found.id or str(id_),
            outputs=steps.with_secrets(goal, goal.inputs, found.outputs),
            external=True,
        )
        self.record_read(state, row, time.monotonic() - started)
        return Registered(state)

    def record_read(self, state: State, row: int | None, seconds: float = 0.0) -> None:
        """Keep what was read; nothing of it is ever changed or deleted."""
        if row is not None and self.run.ledger[row] == state:
            self._registry.keep(state.urn, row)
        else:
            self._registry.put(state, replaces=row)
        self.run.done(summary(Op.READ, state.urn, seconds=seconds))

    def claim_read(self, goal: Goal) -> int | None:
        """For what the engine reads itself (StackReference): the row it had before."""
        self._registry.claim(goal.urn)
        return self._registry.find(goal)

"""Random programs and edits: a preview's plan is what `up` then does, step by step."""

import asyncio
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.engine.applying.deployment import Deployment
from sandbox.engine.applying.events import ignore
from sandbox.engine.applying.providers import Providers
from sandbox.engine.applying.run import Run
from sandbox.engine.state import store as stores
from sandbox.engine.state.journal import Journal
from sandbox.engine.state.secrets import Secrets
from sandbox.errors import KitError
from tests.lifecycle.test_whatever_happens import Engine, FakeLoader, Wanted, World, programs


class Planner(Engine):
    """The same engine, which tells what it did, or would do."""

    def steps(self, program: list[Wanted], *, preview: bool) -> list[tuple[str, str]]:
        return asyncio.run(self._steps(program, preview=preview))

    async def _steps(self, program: list[Wanted], *, preview: bool) -> list[tuple[str, str]]:
        stored = self.store.read()
        ledger = stored.ledger(Secrets("x"))
        journal = None if preview else Journal(self.store.journal, stored.digest)
        if journal is not None:
            ledger.attach(journal)
        providers = Providers(FakeLoader(self.world), "p", "d", {}, frozenset())
        run = Run(ledger, providers, ignore, preview, asyncio.Semaphore(3))
        with suppress(KitError):
            await self._register(Deployment(run), program)
        if journal is not None:
            journal.close()
            self.store.save(stores.deployment(ledger, ""))
            self.store.journal.unlink()
        return sorted((str(step.op), step.urn) for step in run.steps)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(programs(), min_size=1, max_size=4))
def test_the_plan_is_what_is_done(edits: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = Planner(Path(folder), World())
        for program in edits:
            before = dict(engine.world.things)
            plan = engine.steps(program, preview=True)
            assert engine.world.things == before, "a preview changed something"
            assert engine.steps(program, preview=False) == plan
            engine.verify()
            again = engine.steps(program, preview=True)
            assert {op for op, _ in again} <= {"same"}

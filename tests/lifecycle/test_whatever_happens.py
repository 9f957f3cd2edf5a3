"""Random programs, edits, failures and kills: the snapshot always verifies, and a last
destroy leaves the cloud empty.

No processes: the deployment is driven directly, against a provider that is a class.
"""

import asyncio
import logging
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.engine.applying.deletion import delete_all
from sandbox.engine.applying.deployment import Deployment
from sandbox.engine.applying.events import ignore
from sandbox.engine.applying.ports import Checked, Outcome
from sandbox.engine.applying.providers import Providers
from sandbox.engine.applying.repair import repair
from sandbox.engine.applying.run import Run
from sandbox.engine.model import diff
from sandbox.engine.model import urn as urns
from sandbox.engine.model.diff import Difference
from sandbox.engine.model.resource import Goal, Options, State
from sandbox.engine.state import store as stores
from sandbox.engine.state.journal import Journal
from sandbox.engine.state.secrets import Secrets
from sandbox.engine.state.snapshot import problems
from sandbox.engine.state.store import StackStore
from sandbox.errors import CloudError, KitError

# Tasks that a kill has cut short are looked at by nobody.
logging.getLogger("asyncio").setLevel(logging.CRITICAL)

NAMES = "abcdef"
TYPE = "fake:index:Thing"


class Killed(BaseException):
    """From here on nothing happens any more."""


@dataclass
class World:
    """The cloud and the moment at which the engine is killed."""

    things: dict[str, str] = field(default_factory=dict)
    """Ids, with the token that made them."""

    failing: frozenset[str] = frozenset()
    moments: int = 10**9

    def moment(self) -> None:
        if self.moments <= 0:
            raise Killed
        self.moments -= 1


@dataclass
class FakeProvider:
    """`immutable` replaces; ids are new for each creation."""

    world: World
    known: bool = True

    async def check_config(self, urn: str, olds: Any, news: Any) -> Checked:
        return Checked(news)

    async def diff_config(self, old: State, news: Any) -> Difference:
        return diff.compare(old.inputs, news)

    async def configure(self, urn: str, id_: str, inputs: Any) -> None:
        return None

    async def check(self, urn: str, olds: Any, news: Any, seed: bytes) -> Checked:
        return Checked(news)

    async def diff(self, old: State, news: Any, ignore_changes: Sequence[str]) -> Difference:
        plain = diff.compare(old.inputs, news)
        replaces = tuple(key for key in plain.keys if key == "immutable")
        return Difference(plain.changed, plain.keys, replaces)

    async def create(
        self,
        urn: str,
        inputs: Any,
        *,
        timeout: float,
        preview: bool,
        token: str,
        repeated: bool = False,
    ) -> Outcome:
        if preview:
            return Outcome("", dict(inputs))
        self._act("create", urn)
        made = next((id_ for id_, by in self.world.things.items() if by == token), None)
        identity = made if repeated and made else f"id{len(self.world.things)}-{token[:8]}"
        self.world.things[identity] = token
        await asyncio.sleep(0)
        return Outcome(identity, dict(inputs))

    async def read(self, urn: str, id_: str, inputs: Any, outputs: Any) -> Outcome | None:
        return Outcome(id_, outputs, inputs) if id_ in self.world.things else None

    async def update(
        self,
        old: State,
        news: Any,
        *,
        ignore_changes: Sequence[str],
        timeout: float,
        preview: bool,
    ) -> Outcome:
        if preview:
            return Outcome(old.id, dict(news))
        self._act("update", old.urn)
        assert old.id in self.world.things
        return Outcome(old.id, dict(news))

    async def delete(self, state: State, *, timeout: float) -> None:
        self._act("delete", state.urn)
        self.world.things.pop(state.id, None)

    def _act(self, operation: str, urn: str) -> None:
        self.world.moment()
        if f"{operation} {urns.name_of(urn)}" in self.world.failing:
            raise CloudError(f"{operation} {urn} failed")


@dataclass
class FakeLoader:
    world: World

    async def load(self, package: str, version: str, urn: str) -> Any:
        return FakeProvider(self.world)


class KillableJournal(Journal):
    def __init__(self, path: Path, base: str, world: World) -> None:
        self._world = world
        super().__init__(path, base)

    def append(self, record: Any) -> None:
        self._world.moment()
        super().append(record)


@dataclass(frozen=True)
class Wanted:
    name: str
    value: int
    needs: tuple[str, ...]
    delete_first: bool
    replaces: bool


class Engine:
    """As `operations`, without the program."""

    def __init__(self, folder: Path, world: World) -> None:
        self.store = StackStore(folder, "p", "d")
        self.world = world

    def run(self, program: list[Wanted] | None) -> None:
        """Update to the program; None destroys."""
        asyncio.run(self._run(program))

    async def _run(self, program: list[Wanted] | None) -> None:
        stored = self.store.read()
        ledger = stored.ledger(Secrets("x"))
        if self.store.journal.exists():
            self.world.moment()
            self.store.save(stores.deployment(ledger, ""))
            self.world.moment()
            self.store.journal.unlink()
            stored = self.store.read()
            ledger = stored.ledger(Secrets("x"))
        ledger.attach(KillableJournal(self.store.journal, stored.digest, self.world))
        providers = Providers(FakeLoader(self.world), "p", "d", {}, frozenset())
        run = Run(ledger, providers, ignore, False, asyncio.Semaphore(3))
        await repair(run)
        if program is None:
            rows = {number: row.state for number, row in ledger.rows.items()}
            await delete_all(run, rows)
        else:
            await self._register(Deployment(run), program)
        self.world.moment()
        self.store.save(stores.deployment(ledger, ""))
        self.world.moment()
        self.store.journal.unlink()

    async def _register(self, deployment: Deployment, program: list[Wanted]) -> None:
        providers = deployment.run.providers
        reference = await providers.default("fake", "", deployment.register_default_provider)
        done: dict[str, asyncio.Task[Any]] = {}

        async def register(wanted: Wanted) -> None:
            for need in wanted.needs:
                await done[need]
            key = "immutable" if wanted.replaces else "size"
            needs = tuple(urns.make("d", "p", "", TYPE, need) for need in wanted.needs)
            goal = Goal(
                urns.make("d", "p", "", TYPE, wanted.name),
                TYPE,
                wanted.name,
                True,
                inputs={key: wanted.value, **{f"of-{n}": n for n in wanted.needs}},
                provider=reference,
                dependencies=needs,
                property_dependencies={
                    f"of-{n}": (u,) for n, u in zip(wanted.needs, needs, strict=True)
                },
                options=Options(),
                delete_before_replace=wanted.delete_first,
            )
            await deployment.register(goal)

        for wanted in program:
            done[wanted.name] = asyncio.ensure_future(register(wanted))
        results = await asyncio.gather(*done.values(), return_exceptions=True)
        for result in results:
            if isinstance(result, Killed):
                raise result
        await deployment.finish()

    def verify(self) -> None:
        ledger = self.store.read().ledger(Secrets("x"))
        assert problems(ledger.snapshot().resources) == []


@st.composite
def programs(draw: Any) -> list[Wanted]:
    chosen = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=5))
    program: list[Wanted] = []
    for name in chosen:
        before = [wanted.name for wanted in program]
        needs = draw(st.lists(st.sampled_from(before), unique=True, max_size=2)) if before else []
        program.append(
            Wanted(
                name,
                draw(st.integers(0, 2)),
                tuple(needs),
                draw(st.booleans()),
                draw(st.booleans()),
            )
        )
    return program


ACTIONS = ["create", "update", "delete"]
FAILURES = st.frozensets(
    st.builds("{} {}".format, st.sampled_from(ACTIONS), st.sampled_from(NAMES)), max_size=3
)
RUNS = st.lists(
    st.tuples(st.one_of(st.none(), programs()), FAILURES, st.one_of(st.none(), st.integers(0, 25))),
    min_size=1,
    max_size=4,
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(RUNS)
def test_the_snapshot_verifies_and_nothing_is_leaked(runs: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World()
        engine = Engine(Path(folder), world)
        for program, failing, moments in runs:
            world.failing = failing
            world.moments = 10**9 if moments is None else moments
            with suppress(Killed, KitError):
                engine.run(program)
            world.moments = 10**9
            engine.verify()
        world.failing = frozenset()
        engine.run(None)
        engine.verify()
        assert world.things == {}

"""One operation on one stack, from reading the state to having saved it.

The only place that wires the layers together: files and lock, secrets, configuration,
plugins, and the program's session. The checkpoint and its journal are whole at every moment
in between. The caller holds the stack's lock, except for what only reads.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from sandbox.engine.applying.deletion import delete_all
from sandbox.engine.applying.deployment import Deployment
from sandbox.engine.applying.events import Diagnostic, Ended, Listener, PhaseDone, PhaseStarted
from sandbox.engine.applying.masking import Mask
from sandbox.engine.applying.providers import Providers
from sandbox.engine.applying.refresh import refresh_all
from sandbox.engine.applying.repair import repair
from sandbox.engine.applying.run import Run
from sandbox.engine.config import (
    Config,
    Project,
    full_key,
    read_project,
    read_stack,
    resolve,
    stack_file,
)
from sandbox.engine.model import urn as urns
from sandbox.engine.model.resource import State
from sandbox.engine.protocol.plugin_host import PluginHost
from sandbox.engine.protocol.session import Server, Session
from sandbox.engine.requests import QUIET_OPS, DeploymentFailed, Interrupted, Request, Result
from sandbox.engine.state import history, passphrase
from sandbox.engine.state import store as stores
from sandbox.engine.state.history import Entry
from sandbox.engine.state.journal import Journal
from sandbox.engine.state.ledger import Ledger
from sandbox.engine.state.secrets import Secrets, find_passphrase
from sandbox.engine.state.store import ORGANIZATION, StackStore
from sandbox.engine.surroundings import Interrupts, plugin_settings, program_settings
from sandbox.errors import CloudError, KitError, UserError
from sandbox.wire.values import Properties, has_unknowns


class Operation:
    """One operation on one stack."""

    def __init__(self, request: Request, listener: Listener) -> None:
        self.request = request
        self.mask = Mask()
        self.listener = self.mask.listener(listener)
        self.project: Project = read_project(request.project_dir)
        _check_name(request.stack)
        self.store = StackStore(request.state_dir, self.project.name, request.stack)
        self.environment = dict(os.environ) | dict(request.environment)
        self.passphrase = find_passphrase(self.environment)
        self.config_file = stack_file(request.project_dir, request.stack, request.config_file)
        self.stack_config = read_stack(self.config_file, self.project.name)
        self.secrets = Secrets(self.passphrase)
        self.config = Config({}, frozenset())
        self.parallel = request.parallel or 4 * (os.cpu_count() or 1)
        self.targets = frozenset(request.targets)
        self._plugin_host: PluginHost | None = None
        self._interrupts = Interrupts()
        self._planned: Ledger | None = None

    # --------------------------------------------------------------------------- state

    def load(self) -> Ledger:
        """The state and the configuration, decrypted. Takes a third of a second if there
        are secrets: the key has to be made."""
        return self._open(self.store.read(), for_writing=False)

    def _open(self, stored: stores.Stored, *, for_writing: bool) -> Ledger:
        salt = stored.salt or self.stack_config.salt
        self.secrets = Secrets(self.passphrase, salt)
        config_secrets = self.secrets
        if self.stack_config.salt and self.stack_config.salt != salt:
            config_secrets = Secrets(self.passphrase, self.stack_config.salt)
        self.config = resolve(
            self.project,
            self.stack_config,
            config_secrets,
            self.request.config,
            self.request.secret_config,
        )
        self.mask.learn_texts(self.config.values[key] for key in self.config.secret_keys)
        ledger = stored.ledger(self.secrets)
        if for_writing:
            # The first secret may come in the middle of the run: too late to have no key.
            self.secrets.check()
            if self.store.journal.exists():
                stored = self._fold(ledger)
                ledger = stored.ledger(self.secrets)
        self._digest = stored.digest
        return ledger

    def _fold(self, ledger: Ledger) -> stores.Stored:
        """Put what a killed engine left in its journal into the checkpoint. Read again after,
        because that numbers the rows anew."""
        if ledger.changed:
            self.store.save(stores.deployment(ledger, self.secrets.salt))
        self.store.journal.unlink()
        return self.store.read()

    def save(self, ledger: Ledger, journal: Journal) -> None:
        """Fold the journal into the checkpoint."""
        if ledger.changed or not self.store.checkpoint.exists():
            self.store.save(stores.deployment(ledger, self.secrets.salt))
        journal.remove()

    @contextmanager
    def _recording(self, ledger: Ledger, entry: Entry) -> Iterator[None]:
        """Record all changes; in the end, whatever it is, they are in the checkpoint, and
        what is known of the run in the history."""
        journal = Journal(self.store.journal, self._digest)
        ledger.attach(journal)
        try:
            yield
        finally:
            journal.close()
            self.save(ledger, journal)
            self._remember(entry)

    def _entry(self, name: str) -> Entry:
        """A run of the history; it has failed until somebody says otherwise."""
        overriding = {full_key(self.project.name, key): v for key, v in self.request.config.items()}
        config = {**self.stack_config.plain, **self.stack_config.secure, **overriding}
        for key, text in self.request.secret_config.items():
            config[full_key(self.project.name, key)] = {"secure": self.secrets.encrypt(text)}
        return Entry({"up": "update"}.get(name, name), config)

    def _remember(self, entry: Entry) -> None:
        try:
            history.add(self.store, entry)
        except OSError as error:
            self.listener(
                Diagnostic("warning", f"This run is missing in the stack's history: {error}")
            )

    def import_(self, deployment: dict[str, Any]) -> None:
        stored = stores.Stored(self.store, "-", deployment)
        for resource in deployment.get("resources") or ():
            self.store.check_origin(str(resource.get("urn")))
        self.secrets = Secrets(self.passphrase, stored.salt)
        ledger = stored.ledger(self.secrets)
        document = stores.deployment(ledger, stored.salt)
        self.store.save(document)
        self.store.journal.unlink(missing_ok=True)

    def change_passphrase(self, new: str) -> int:
        # Folds the journal: its lines are encrypted too.
        self._open(self.store.read(), for_writing=True)
        if self.passphrase is None:
            self.secrets.unlock()
        request = self.request
        return passphrase.change(
            self.store, request.state_dir, self.config_file, self.passphrase, new
        )

    # ---------------------------------------------------------------------- operations

    async def ended(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do it, and end all plugins whatever comes of it."""
        try:
            return await work
        finally:
            if self._plugin_host is not None:
                await self._plugin_host.close()
            self.listener(Ended())

    async def preview(self) -> Result:
        result = await self._program_pass("preview", preview=True)
        self._expect(result)
        return result

    async def up(self, *, skip_preview: bool) -> Result:
        if self.request.refresh:
            await self._quiet_pass("refresh", self._refresh)
        if not skip_preview or self.request.expect_no_changes:
            planned = await self._program_pass("preview", preview=True)
            self._expect(planned)
            if self._planned is not None and not planned.changed:
                return self._keep_as_planned(planned, self._planned)
        return await self._program_pass("up", preview=False)

    def _keep_as_planned(self, planned: Result, ledger: Ledger) -> Result:
        """The preview found nothing to do in the cloud: running the program once more could
        only find the same. What it says of options and outputs is saved."""
        if ledger.changed:
            self.store.save(stores.deployment(ledger, self.secrets.salt))
        entry = self._entry("up")
        entry.result = "succeeded"
        entry.changes = {str(op): count for op, count in planned.changes.items()}
        self._remember(entry)
        done = PhaseDone("up", False, planned.changes, planned.outputs, planned.seconds)
        self.listener(PhaseStarted("up", False, len(planned.steps)))
        self.listener(done)
        return planned

    async def refresh(self) -> Result:
        return await self._quiet_pass("refresh", self._refresh)

    async def destroy(self) -> Result:
        return await self._quiet_pass("destroy", self._destroy)

    def _expect(self, result: Result) -> None:
        if self.request.expect_no_changes and result.changed:
            counts = ", ".join(
                f"{count} to {op}" for op, count in result.changes.items() if op not in QUIET_OPS
            )
            raise KitError("No changes were expected, but there are some", counts)

    async def _refresh(self, run: Run) -> None:
        await refresh_all(run, self.targets)

    async def _destroy(self, run: Run) -> None:
        doomed = {
            number: row.state
            for number, row in run.ledger.rows.items()
            if not self.targets or row.state.urn in self.targets
        }
        await delete_all(run, doomed)

    async def _program_pass(self, name: str, *, preview: bool) -> Result:
        """Run the program once."""
        started = time.monotonic()
        session = Session(
            program_settings(self.project, self.request.stack, self.environment),
            self.listener,
            preview=preview,
            parallel=self.parallel,
        )
        host = await self._host(session.server.address)
        try:
            await session.start()
            stored = self.store.read()
            host.start_early(stored.providers())
            ledger = await asyncio.to_thread(self._open, stored, for_writing=not preview)
            entry = self._entry(name)
            with nullcontext() if preview else self._recording(ledger, entry):
                run = self._run(ledger, host, preview=preview)
                deployment = Deployment(run, self.targets)
                self.listener(PhaseStarted(name, preview, len(ledger.rows)))
                with self._interrupts.heeded(
                    run, session.interrupt, session.program.kill, host.kill
                ):
                    if not preview:
                        await repair(run)
                        deployment = Deployment(run, self.targets)
                    failure: KitError | None = None
                    try:
                        await session.run(deployment, self.config, self._other_stack)
                    except KitError as error:
                        failure = error
                    self._planned = ledger if self._is_final(ledger) else None
                    found = session.outputs(deployment)
                    return self._conclude(name, run, found, started, failure, entry)
        finally:
            await session.close()

    def _is_final(self, ledger: Ledger) -> bool:
        """Whether a preview's ledger can be saved: nothing to repair, everything known."""
        if ledger.pending or self.store.journal.exists() or self._interrupts.seen:
            return False
        return not any(has_unknowns(row.state.outputs) for row in ledger.rows.values())

    async def _quiet_pass(self, name: str, work: Callable[[Run], Awaitable[None]]) -> Result:
        """A pass that does not need the program."""
        started = time.monotonic()
        server = Server.open(self.listener)
        host = await self._host(server.address)
        try:
            stored = self.store.read()
            host.start_early(stored.providers(only_owners=True))
            ledger = await asyncio.to_thread(self._open, stored, for_writing=True)
            await server.server.start()
            entry = self._entry(name)
            with self._recording(ledger, entry):
                run = self._run(ledger, host, preview=False)
                self.listener(PhaseStarted(name, False, len(ledger.rows)))
                with self._interrupts.heeded(run, host.kill):
                    await repair(run)
                    await work(run)
                    left = stack_outputs(ledger.snapshot().resources)
                    return self._conclude(name, run, left, started, None, entry)
        finally:
            await server.close()

    def _run(self, ledger: Ledger, host: PluginHost, *, preview: bool) -> Run:
        providers = Providers(
            host,
            self.project.name,
            self.request.stack,
            self.config.values,
            self.config.secret_keys,
        )
        slots = asyncio.Semaphore(self.parallel)
        return Run(ledger, providers, self.listener, preview, slots, self.mask)

    def _conclude(
        self,
        name: str,
        run: Run,
        found: Properties,
        started: float,
        failure: KitError | None,
        entry: Entry,
    ) -> Result:
        """The result; or, if something went wrong, its first cause, raised."""
        seconds = time.monotonic() - started
        result = Result(dict(run.changes), found, seconds, list(run.steps))
        entry.changes = {str(op): count for op, count in result.changes.items()}
        error = run.errors[0] if run.errors else failure
        if error is None and self._interrupts.seen:
            error = Interrupted()
        if error is not None:
            self.mask.clean_error(error)
        done = PhaseDone(name, run.preview, result.changes, found, seconds, error is not None)
        self.listener(done)
        if error is None:
            entry.result = "succeeded"
            return result
        untouched = run.preview or not result.changed
        if isinstance(error, Interrupted) or (untouched and not isinstance(error, CloudError)):
            raise error
        raise DeploymentFailed(error, result) from error

    async def _host(self, address: str) -> PluginHost:
        """The plugins of this operation; a second pass goes on with those of the first."""
        if self._plugin_host is not None:
            await self._plugin_host.next_pass(address)
            return self._plugin_host
        self._plugin_host = PluginHost(
            plugin_settings(self.request, self.project, self.environment, address, self.listener)
        )
        return self._plugin_host

    async def _other_stack(self, name: str) -> tuple[str, Properties]:
        """For StackReference: `STACK`, `PROJECT/STACK` or `organization/PROJECT/STACK`."""
        parts = name.split("/")
        stack = parts[-1]
        project = parts[-2] if len(parts) > 1 else self.project.name
        store = StackStore(self.request.state_dir, project, stack)
        if not store.exists():
            raise UserError(f"There is no stack {name} in {self.request.state_dir}")
        stored = store.read()
        secrets = Secrets(self.passphrase, stored.salt)
        ledger = await asyncio.to_thread(stored.ledger, secrets)
        return f"{ORGANIZATION}/{project}/{stack}", stack_outputs(ledger.snapshot().resources)


def _check_name(stack: str) -> None:
    if not stack or not all(c.isalnum() or c in "-_." for c in stack) or len(stack) > 100:
        raise UserError(
            f"{stack!r} is no name for a stack",
            "Use letters, digits, hyphens, underscores and dots, 100 at most.",
        )


def stack_outputs(states: Sequence[State]) -> Properties:
    """What the stack in these states puts out; {} if there is none."""
    for state in states:
        if state.type == urns.STACK_TYPE:
            return state.outputs
    return {}

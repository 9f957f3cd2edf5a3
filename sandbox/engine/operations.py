"""What the engine can do: preview, up, refresh, destroy, and to look at a stack.

The only place that wires the layers together: files and lock, secrets, configuration,
plugins, and the program's session. Each function is one operation, from reading the state to
having saved it; the checkpoint and its journal are whole at every moment in between.
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sandbox.engine.applying.deletion import delete_all
from sandbox.engine.applying.deployment import Deployment
from sandbox.engine.applying.events import Listener, PhaseDone, PhaseStarted, ignore
from sandbox.engine.applying.masking import Mask
from sandbox.engine.applying.providers import Providers
from sandbox.engine.applying.refresh import refresh_all
from sandbox.engine.applying.repair import repair
from sandbox.engine.applying.run import Run
from sandbox.engine.config import (
    Config,
    Project,
    encrypt_config,
    read_config,
    read_project,
    read_stack,
    resolve,
    set_config,
    stack_file,
)
from sandbox.engine.display import Display
from sandbox.engine.model import urn as urns
from sandbox.engine.model.resource import State
from sandbox.engine.protocol.plugin_host import PluginHost, search_path
from sandbox.engine.protocol.plugin_process import PluginSettings
from sandbox.engine.protocol.program import ProgramSettings, default_python
from sandbox.engine.protocol.session import Server, Session
from sandbox.engine.requests import (
    QUIET_OPS,
    DeploymentFailed,
    Interrupted,
    Request,
    Result,
)
from sandbox.engine.state import store as stores
from sandbox.engine.state.journal import Journal
from sandbox.engine.state.ledger import Ledger
from sandbox.engine.state.lock import hold
from sandbox.engine.state.secrets import Secrets, find_passphrase
from sandbox.engine.state.store import ORGANIZATION, StackStore
from sandbox.errors import CloudError, KitError, UserError
from sandbox.wire.values import Properties, has_unknowns

__all__ = [
    "Display",
    "DeploymentFailed",
    "Interrupted",
    "Request",
    "Result",
    "destroy",
    "encrypt_config",
    "export",
    "import_",
    "outputs",
    "preview",
    "read_config",
    "refresh",
    "resources",
    "set_config",
    "up",
]

_BIN = Path(__file__).parent.parent / "bin"


def preview(request: Request, on_event: Listener = ignore) -> Result:
    """What `up` would do. Changes nothing."""
    operation = _Operation(request, on_event)
    return asyncio.run(operation.ended(operation.preview()))


def up(request: Request, on_event: Listener = ignore, *, skip_preview: bool = False) -> Result:
    """Make the world as the program has it."""
    operation = _Operation(request, on_event)
    with hold(operation.store):
        return asyncio.run(operation.ended(operation.up(skip_preview=skip_preview)))


def refresh(request: Request, on_event: Listener = ignore) -> Result:
    """Make the state as the world is."""
    operation = _Operation(request, on_event)
    with hold(operation.store):
        return asyncio.run(operation.ended(operation.refresh()))


def destroy(request: Request, on_event: Listener = ignore) -> Result:
    """Delete everything."""
    operation = _Operation(request, on_event)
    with hold(operation.store):
        return asyncio.run(operation.ended(operation.destroy()))


def outputs(request: Request) -> Properties:
    """The stack's outputs as of the last run; {} if there was none."""
    return _stack_outputs(resources(request))


def resources(request: Request) -> list[State]:
    """What the state holds, prerequisites first."""
    return _Operation(request, ignore).load().snapshot().resources


def export(request: Request) -> dict[str, Any]:
    """The state, secrets encrypted, in the form that `pulumi stack import` takes."""
    operation = _Operation(request, ignore)
    ledger = operation.load()
    return {"version": 3, "deployment": stores.deployment(ledger, operation.secrets.salt)}


def import_(request: Request, document: Mapping[str, Any]) -> None:
    """Replace the state by what `export` or `pulumi stack export` gave."""
    operation = _Operation(request, ignore)
    deployment = document.get("deployment")
    if document.get("version") != 3 or not isinstance(deployment, dict):
        raise UserError("This is no exported stack", "It must be JSON of version 3.")
    with hold(operation.store):
        operation.import_(deployment)


def _stack_outputs(states: Sequence[State]) -> Properties:
    for state in states:
        if state.type == urns.STACK_TYPE:
            return state.outputs
    return {}


class _Operation:
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
        self.stack_config = read_stack(
            stack_file(request.project_dir, request.stack, request.config_file),
            self.project.name,
        )
        self.secrets = Secrets(self.passphrase)
        self.config = Config({}, frozenset())
        self.parallel = request.parallel or 4 * (os.cpu_count() or 1)
        self.targets = frozenset(request.targets)
        self._plugin_host: PluginHost | None = None
        self._interrupted = False
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
    def _recording(self, ledger: Ledger) -> Iterator[None]:
        """Record all changes; in the end, whatever it is, they are in the checkpoint."""
        journal = Journal(self.store.journal, self._digest)
        ledger.attach(journal)
        try:
            yield
        finally:
            journal.close()
            self.save(ledger, journal)

    def import_(self, deployment: dict[str, Any]) -> None:
        stored = stores.Stored(self.store, "-", deployment)
        for resource in deployment.get("resources") or ():
            self.store.check_origin(str(resource.get("urn")))
        self.secrets = Secrets(self.passphrase, stored.salt)
        ledger = stored.ledger(self.secrets)
        document = stores.deployment(ledger, stored.salt)
        self.store.save(document)
        self.store.journal.unlink(missing_ok=True)

    # ---------------------------------------------------------------------- operations

    async def ended(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Do it, and end all plugins whatever comes of it."""
        try:
            return await work
        finally:
            if self._plugin_host is not None:
                await self._plugin_host.close()

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
            self._program_settings(), self.listener, preview=preview, parallel=self.parallel
        )
        host = await self._host(session.server.address)
        try:
            await session.start()
            stored = self.store.read()
            host.start_early(stored.providers())
            ledger = await asyncio.to_thread(self._open, stored, for_writing=not preview)
            with suppress_journal() if preview else self._recording(ledger):
                run = self._run(ledger, host, preview=preview)
                deployment = Deployment(run, self.targets)
                self.listener(PhaseStarted(name, preview, len(ledger.rows)))
                with self._interruptible(run, session.interrupt, session.program.kill, host.kill):
                    if not preview:
                        await repair(run)
                        deployment = Deployment(run, self.targets)
                    failure: KitError | None = None
                    try:
                        await session.run(deployment, self.config, self._other_stack)
                    except KitError as error:
                        failure = error
                    self._planned = ledger if self._is_final(ledger) else None
                    return self._conclude(name, run, session.outputs(deployment), started, failure)
        finally:
            await session.close()

    def _is_final(self, ledger: Ledger) -> bool:
        """Whether a preview's ledger can be saved: nothing to repair, everything known."""
        if ledger.pending or self.store.journal.exists() or self._interrupted:
            return False
        return not any(has_unknowns(row.state.outputs) for row in ledger.rows.values())

    async def _quiet_pass(self, name: str, work: Callable[[Run], Awaitable[None]]) -> Result:
        """A pass that does not need the program."""
        started = time.monotonic()
        server = Server.open(self.listener)
        host = await self._host(server.address)
        try:
            stored = self.store.read()
            host.start_early(stored.providers())
            ledger = await asyncio.to_thread(self._open, stored, for_writing=True)
            await server.server.start()
            with self._recording(ledger):
                run = self._run(ledger, host, preview=False)
                self.listener(PhaseStarted(name, False, len(ledger.rows)))
                with self._interruptible(run, host.kill):
                    await repair(run)
                    await work(run)
                    left = _stack_outputs(ledger.snapshot().resources)
                    return self._conclude(name, run, left, started, None)
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
    ) -> Result:
        """The result; or, if something went wrong, its first cause, raised."""
        seconds = time.monotonic() - started
        result = Result(dict(run.changes), found, seconds, list(run.steps))
        error = run.errors[0] if run.errors else failure
        if error is None and self._interrupted:
            error = Interrupted()
        if error is not None:
            self.mask.clean_error(error)
        done = PhaseDone(name, run.preview, result.changes, found, seconds, error is not None)
        self.listener(done)
        if error is None:
            return result
        untouched = run.preview or not result.changed
        if isinstance(error, Interrupted) or (untouched and not isinstance(error, CloudError)):
            raise error
        raise DeploymentFailed(error, result) from error

    # ----------------------------------------------------------------------- processes

    def _program_settings(self) -> ProgramSettings:
        main = self.project.main
        if not (main / "__main__.py").is_file():
            raise UserError(f"There is no program in {main}", "It must hold a file __main__.py.")
        environment = dict(self.environment)
        python = default_python()
        if self.project.virtualenv is not None:
            python = self.project.virtualenv / "bin" / "python"
            if not python.exists():
                raise UserError(
                    f"The virtual environment {self.project.virtualenv} does not exist",
                    "Pulumi.yaml names it under runtime.options.virtualenv.",
                )
            environment["VIRTUAL_ENV"] = str(self.project.virtualenv)
        environment["PATH"] = search_path([python.parent], environment.get("PATH", ""))
        # The program has no use for it, and what it starts even less.
        environment.pop("PULUMI_CONFIG_PASSPHRASE", None)
        return ProgramSettings(
            python,
            self.project.root,
            self.project.main,
            self.project.name,
            self.request.stack,
            ORGANIZATION,
            environment,
        )

    async def _host(self, address: str) -> PluginHost:
        """The plugins of this operation; a second pass goes on with those of the first."""
        if self._plugin_host is not None:
            await self._plugin_host.next_pass(address)
            return self._plugin_host
        environment = dict(self.environment)
        environment.pop("PULUMI_CONFIG_PASSPHRASE", None)
        folders = [*self.request.plugin_dirs, _BIN]
        environment["PATH"] = search_path(folders, environment.get("PATH", ""))
        environment["PULUMI_PROJECT"] = self.project.name
        environment["PULUMI_STACK"] = self.request.stack
        self._plugin_host = PluginHost(
            PluginSettings(
                address, self.project.root, self.project.main, environment, self.listener
            )
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
        return f"{ORGANIZATION}/{project}/{stack}", _stack_outputs(ledger.snapshot().resources)

    @contextmanager
    def _interruptible(self, run: Run, *actions: Callable[[], None]) -> Iterator[None]:
        """The first signal lets finish what has begun; the second ends it all.

        The first of `actions` is done at the first signal, if there are several; the rest,
        and that one if it is alone, at the second.
        """
        loop = asyncio.get_running_loop()
        gentle, hard = (actions[:1], actions[1:]) if len(actions) > 1 else ((), actions)

        def interrupt() -> None:
            wanted = hard if self._interrupted else gentle
            self._interrupted = True
            run.stopping = True
            for action in wanted:
                action()

        numbers = (signal.SIGINT, signal.SIGTERM)
        # Elsewhere than in the main thread nobody can listen to signals.
        with suppress(ValueError, RuntimeError, NotImplementedError):
            for number in numbers:
                loop.add_signal_handler(number, interrupt)
        try:
            yield
        finally:
            with suppress(ValueError, RuntimeError, NotImplementedError):
                for number in numbers:
                    loop.remove_signal_handler(number)


@contextmanager
def suppress_journal() -> Iterator[None]:
    """A preview records nothing."""
    yield


def _check_name(stack: str) -> None:
    if not stack or not all(c.isalnum() or c in "-_." for c in stack) or len(stack) > 100:
        raise UserError(
            f"{stack!r} is no name for a stack",
            "Use letters, digits, hyphens, underscores and dots, 100 at most.",
        )

"""One pass with the program: a gRPC server, the program, and what it registers.

The program is started first and imports its SDK while the state is still being read.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import grpc

from sandbox.engine.applying.deployment import Deployment
from sandbox.engine.applying.events import Listener
from sandbox.engine.config import Config
from sandbox.engine.protocol import packages
from sandbox.engine.protocol.engine_log import EngineLog
from sandbox.engine.protocol.messages import ProgramInfo
from sandbox.engine.protocol.monitor import Monitor, StackOutputs
from sandbox.engine.protocol.plugin_process import GRPC_OPTIONS
from sandbox.engine.protocol.program import Program, ProgramSettings
from sandbox.errors import KitError, UserError
from sandbox.wire.protos import engine_pb2_grpc, resource_pb2_grpc
from sandbox.wire.values import Properties

_PATIENCE_SECONDS = 10.0
"""How long a program may go on after the engine has refused it everything."""


@dataclass
class Server:
    """The engine's address for one operation: programs and plugins call it."""

    server: grpc.aio.Server
    address: str
    log: EngineLog

    @classmethod
    def open(cls, listener: Listener) -> "Server":
        server = grpc.aio.server(options=[*GRPC_OPTIONS, ("grpc.so_reuseport", 0)])
        log = EngineLog(listener)
        engine_pb2_grpc.add_EngineServicer_to_server(log, server)
        port = server.add_insecure_port("127.0.0.1:0")
        return cls(server, f"127.0.0.1:{port}", log)

    async def close(self) -> None:
        await self.server.stop(None)


class Session:
    """Runs the program once."""

    def __init__(
        self, settings: ProgramSettings, listener: Listener, *, preview: bool, parallel: int
    ) -> None:
        self._preview = preview
        self._parallel = parallel
        self._settings = settings
        self.server = Server.open(listener)
        self.program = Program(settings, listener)
        self._monitor: Monitor | None = None
        self._registered_all = asyncio.Event()

    async def start(self) -> None:
        """Start the program. It waits for `run`."""
        await self.program.start(
            self.server.address, dry_run=self._preview, parallel=self._parallel
        )

    async def run(
        self, deployment: Deployment, config: Config, stack_outputs: StackOutputs
    ) -> None:
        """Let the program register everything, then delete what it no longer has.

        Failures of steps are in the deployment's run; a failure of the program itself is
        raised.
        """
        info = ProgramInfo(
            self._settings.project,
            self._settings.stack,
            self._settings.organization,
            self._preview,
            self._parallel,
            config.values,
            tuple(sorted(config.secret_keys)),
            self.server.address,
            str(self._settings.root_directory),
            packages.versions(self._settings.python),
        )
        monitor = Monitor(deployment, info, stack_outputs, on_shutdown=self._registered_all.set)
        self._monitor = monitor
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, self.server.server)
        await self.server.server.start()
        await self.program.configure(config.values, sorted(config.secret_keys))
        ended = asyncio.create_task(self.program.wait())
        registered = asyncio.create_task(self._registered_all.wait())
        stopping = asyncio.create_task(self._stop_when(deployment))
        await asyncio.wait({ended, registered}, return_when=asyncio.FIRST_COMPLETED)
        registered.cancel()
        if self._registered_all.is_set():
            await deployment.finish()
        code = await ended
        stopping.cancel()
        await deployment.settle()
        if not self._registered_all.is_set() and not deployment.run.stopping:
            if code == 0:
                await deployment.finish()
            else:
                raise self._failure(code)

    async def _stop_when(self, deployment: Deployment) -> None:
        """End a program that does not end by itself after a failure."""
        while not deployment.run.stopping:
            await asyncio.sleep(0.2)
        await deployment.settle()
        await asyncio.sleep(_PATIENCE_SECONDS)
        self.program.kill()

    def _failure(self, code: int) -> KitError:
        errors = self.server.log.errors
        if errors:
            summary, _, detail = errors[0].strip().partition("\n")
            return UserError(summary, detail)
        said = "\n".join(self.program.stderr[-20:])
        return UserError(f"The program ended with exit code {code}", said)

    def outputs(self, deployment: Deployment) -> Properties:
        """The stack's outputs, as far as they are known."""
        urn = self._monitor.stack_urn if self._monitor else ""
        state = deployment.lookup(urn) if urn else None
        return {} if state is None else state.outputs

    def interrupt(self) -> None:
        self.program.interrupt()

    async def close(self) -> None:
        self.program.kill()
        with suppress(ProcessLookupError):
            await self.program.wait()
        if self._monitor is not None:
            await self._monitor.callbacks.close()
        await self.server.close()

"""A provider plugin as a process: start, handshake, calls with their errors, end.

The executable `pulumi-resource-NAME` is started with the engine's address and prints the
port that it answers on: the protocol of Pulumi's own plugins. `plugin` knows what to call.
"""

import asyncio
import os
import signal
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2

from sandbox.engine.applying.events import Diagnostic, Listener
from sandbox.engine.applying.ports import Outcome, ProviderGone
from sandbox.engine.patience import Patience
from sandbox.errors import CloudError, KitError, Unsupported, UserError
from sandbox.wire.marshal import Keep, from_struct
from sandbox.wire.protos import provider_pb2, provider_pb2_grpc, status_pb2
from sandbox.wire.values import Properties

GRPC_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]
_SIGN_OF_LIFE_SECONDS = 20.0
_STOP_SECONDS = 2.0
_LINE_LIMIT = 1 << 24
Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """What every plugin of one pass is started with."""

    engine_address: str
    root_directory: Path
    program_directory: Path
    environment: Mapping[str, str]
    """The whole environment; PATH says where plugins lie."""

    listener: Listener
    patience: Patience = field(default_factory=Patience)


class PluginProcess:
    """One plugin process."""

    def __init__(self, package: str, settings: PluginSettings, executable: str) -> None:
        self.package = package
        self._settings = settings
        self._executable = executable
        self._process: asyncio.subprocess.Process | None = None
        self._channel: grpc.aio.Channel | None = None
        self._stub: Any = None
        self._last_words: deque[str] = deque(maxlen=5)
        self._readers: list[asyncio.Task[None]] = []
        self._started: asyncio.Task[None] | None = None
        self.configuration: Properties | None = None
        """What it is configured with, or soon will be."""

        self.configured: asyncio.Task[None] | None = None
        self.keep = Keep()
        self.previews = True

    @property
    def usable(self) -> bool:
        """It runs, or is being started."""
        return self._process is None or self._process.returncode is None

    def start(self) -> None:
        """Begin to start it; `wait_until_started` tells when that is done."""
        self._started = asyncio.create_task(self._start())
        # Nobody may ever ask for one that was started early.
        self._started.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def wait_until_started(self) -> None:
        assert self._started is not None
        await asyncio.shield(self._started)

    async def _start(self) -> None:
        try:
            self._process = await asyncio.create_subprocess_exec(
                self._executable,
                self._settings.engine_address,
                cwd=self._settings.program_directory,
                env=dict(self._settings.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                # Ctrl-C is for the engine alone, which lets plugins finish.
                start_new_session=True,
                limit=_LINE_LIMIT,
            )
        except OSError as error:
            raise self._not_started(f"{self._executable}: {error.strerror}") from error
        assert self._process.stdout is not None and self._process.stderr is not None
        self._readers.append(asyncio.create_task(self._relay(self._process.stderr, "info")))
        port = await self._port(self._process.stdout)
        self._readers.append(asyncio.create_task(self._relay(self._process.stdout, "info")))
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=self._options())
        self._stub = provider_pb2_grpc.ResourceProviderStub(self._channel)
        try:
            await self.handshake(self._settings.engine_address)
        except ProviderGone as error:
            self.kill()
            raise self._not_started(str(error)) from error

    async def _port(self, stdout: asyncio.StreamReader) -> int:
        """The first line that it prints."""
        line = b""
        patience = self._settings.patience.start
        try:
            line = await asyncio.wait_for(stdout.readline(), patience)
        except TimeoutError:
            why = f"It printed no port within {patience:g} s."
        except ValueError:
            why = "What it printed first has no end."
        else:
            text = line.strip()
            if text.isdigit() and 0 < int(text) < 65536:
                return int(text)
            why = f"Instead of its port it printed {text[:200]!r}." if line else "It ended at once."
        # What it wrote to standard error is on its way.
        await asyncio.sleep(0.1)
        self.kill()
        raise self._not_started("\n".join([why, *self._last_words]))

    def _not_started(self, why: str) -> ProviderGone:
        return ProviderGone(f"The {self.package} provider did not start", why)

    def _options(self) -> list[tuple[str, int]]:
        silence = self._settings.patience.silence
        return [
            *GRPC_OPTIONS,
            ("grpc.keepalive_time_ms", int(silence * 1000)),
            ("grpc.keepalive_timeout_ms", int(min(silence, _SIGN_OF_LIFE_SECONDS) * 1000)),
            # Also while a call takes long and nothing else is said.
            ("grpc.http2.max_pings_without_data", 1 << 20),
        ]

    async def greet(self, engine_address: str) -> None:
        """Tell a plugin of an earlier pass where the engine is now. One that cannot be talked
        to fails when it is needed."""
        with suppress(KitError):
            await self.wait_until_started()
            await self.handshake(engine_address)

    async def handshake(self, engine_address: str) -> None:
        request = provider_pb2.ProviderHandshakeRequest(
            engine_address=engine_address,
            root_directory=str(self._settings.root_directory),
            program_directory=str(self._settings.program_directory),
            configure_with_urn=True,
        )
        # Many of Pulumi's own plugins do without it.
        patience = self._settings.patience.start
        with suppress(Unsupported):
            await self.call("Handshake", request, limit=patience)
        with suppress(Unsupported):
            await self.call("GetPluginInfo", empty_pb2.Empty(), limit=patience)

    async def _relay(self, stream: asyncio.StreamReader, severity: str) -> None:
        while line := await stream.readline():
            text = line.decode(errors="replace").rstrip()
            if text:
                self._last_words.append(text)
                self._settings.listener(Diagnostic(severity, text))

    async def stop(self) -> None:
        """Ask it to end, then make it end."""
        if self._started is not None:
            await asyncio.wait([self._started])
        process = self._process
        if process is None:
            return
        if process.returncode is None and self._stub is not None:
            with suppress(KitError, TimeoutError):
                await asyncio.wait_for(self.call("Cancel", empty_pb2.Empty()), 1.0)
        if self._channel is not None:
            await self._channel.close(None)
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            self.kill()
            await process.wait()
        for reader in self._readers:
            reader.cancel()

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def limit(self, timeout: float, *, preview: bool = False) -> float:
        """How long to wait for an operation whose resource sets this limit; 0: none."""
        patience = self._settings.patience
        if preview:
            return patience.question
        return timeout + patience.grace if timeout else patience.operation

    async def call(
        self,
        method: str,
        request: Any,
        *,
        doing: str = "",
        metadata: Metadata = (),
        limit: float | None = None,
    ) -> Any:
        """Ask it, and wait no longer than `limit`: as long as for a question, if not said."""
        seconds = self._settings.patience.question if limit is None else limit
        try:
            async with asyncio.timeout(seconds if seconds < float("inf") else None):
                answer = await getattr(self._stub, method)(request, metadata=metadata)
        except TimeoutError as error:
            raise ProviderGone(
                f"The {self.package} provider did not answer to {method} within {seconds:g} s",
                doing,
            ) from error
        except grpc.aio.AioRpcError as error:
            raise self._error(error, method, doing) from error
        if answer is None:
            # What gRPC makes of bytes that are no message. Nobody knows what was done.
            raise ProviderGone(
                f"The {self.package} provider sent garbage", f"{method} was answered with it."
            )
        return answer

    def _error(self, error: grpc.aio.AioRpcError, method: str, doing: str) -> KitError:
        details = error.details() or str(error.code())
        match error.code():
            case grpc.StatusCode.UNIMPLEMENTED:
                return Unsupported(
                    details if "\n" in details or " " in details else f"{method}: {details}"
                )
            case grpc.StatusCode.INVALID_ARGUMENT:
                return UserError(doing or details, details if doing else "")
            case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED:
                said = "\n".join(self._last_words)
                how = "shows no sign of life" if "keepalive" in details else "ended unexpectedly"
                return ProviderGone(
                    f"The {self.package} provider {how} during {method}", said or details
                )
        failure = _init_failure(error)
        if failure is not None:
            return InitFailed(failure)
        return CloudError(doing or f"{method} failed", details, operation=method.lower())


class InitFailed(CloudError):
    """Pulumi's ErrorResourceInitFailed: it exists, with these properties."""

    def __init__(self, failure: provider_pb2.ErrorResourceInitFailed) -> None:
        super().__init__("The resource did not become ready", "\n".join(failure.reasons))
        self._failure = failure

    def outcome(self) -> Outcome:
        reasons = tuple(self._failure.reasons) or ("It did not become ready.",)
        outputs = from_struct(self._failure.properties)
        return Outcome(self._failure.id, outputs, reasons=reasons)


def _init_failure(
    error: grpc.aio.AioRpcError,
) -> provider_pb2.ErrorResourceInitFailed | None:
    metadata: Any = error.trailing_metadata() or ()
    for key, value in metadata:
        if key != "grpc-status-details-bin" or not isinstance(value, bytes):
            continue
        status = status_pb2.Status.FromString(value)
        for detail in status.details:
            failure = provider_pb2.ErrorResourceInitFailed()
            if detail.Is(failure.DESCRIPTOR):
                detail.Unpack(failure)
                return failure
    return None

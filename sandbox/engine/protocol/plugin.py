"""A provider plugin: its process, and the calls that `applying` makes to it.

The executable `pulumi-resource-NAME` is started with the engine's address and prints the
port that it answers on: the protocol of Pulumi's own plugins.
"""

import asyncio
import os
import re
import shutil
import signal
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf import empty_pb2

from sandbox.engine.applying.events import Diagnostic, Listener
from sandbox.engine.applying.ports import Checked, Invoked, Outcome, ProviderGone
from sandbox.engine.model import diff
from sandbox.engine.model import urn as urns
from sandbox.engine.model.diff import Difference
from sandbox.engine.model.resource import State
from sandbox.errors import CloudError, KitError, Unsupported, UserError
from sandbox.wire.marshal import UNKNOWN_STRING, Keep, from_struct, to_struct
from sandbox.wire.protos import provider_pb2, provider_pb2_grpc, status_pb2
from sandbox.wire.values import Properties, reveal

GRPC_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]
_START_SECONDS = 60.0
_STOP_SECONDS = 2.0
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """What every plugin of one pass is started with."""

    engine_address: str
    root_directory: Path
    program_directory: Path
    environment: Mapping[str, str]
    """The whole environment; PATH says where plugins lie."""

    listener: Listener


@dataclass(slots=True)
class PluginHost:
    """Starts plugins, keeps them for the operation's next pass, and ends them all."""

    settings: PluginSettings
    _plugins: list["Plugin"] = field(default_factory=list)
    _idle: dict[str, "Plugin"] = field(default_factory=dict)
    """Those of an earlier pass, by their provider's URN."""

    _early: dict[str, asyncio.Task["Plugin"]] = field(default_factory=dict)

    def start_early(self, providers: Mapping[str, str]) -> None:
        """Start what the last run needed (packages by the provider's URN), while the program
        is still importing its libraries."""
        for urn, package in providers.items():
            if urn not in self._idle and self._executable(package) is not None:
                self._early[urn] = asyncio.create_task(self._start(package))

    def next_pass(self, engine_address: str) -> None:
        """The plugins stay; what they were configured with may serve once more."""
        self.settings = replace(self.settings, engine_address=engine_address)
        for plugin in self._plugins:
            if plugin.usable and plugin.urn:
                self._idle[plugin.urn] = plugin

    async def load(self, package: str, version: str, urn: str) -> "Plugin":
        plugin = self._idle.pop(urn, None)
        if plugin is not None:
            await plugin.handshake(self.settings.engine_address)
            return plugin
        early = self._early.pop(urn, None)
        plugin = await (early if early is not None else self._start(package))
        plugin.urn = urn
        return plugin

    def _executable(self, package: str) -> str | None:
        name = f"pulumi-resource-{package}"
        return shutil.which(name, path=self.settings.environment.get("PATH", ""))

    async def _start(self, package: str) -> "Plugin":
        executable = self._executable(package)
        if executable is None:
            raise Unsupported(
                f"There is no provider plugin for the package {package}",
                f"No executable pulumi-resource-{package} is on the PATH.",
            )
        plugin = Plugin(package, self.settings, executable)
        self._plugins.append(plugin)
        await plugin.start()
        return plugin

    async def close(self) -> None:
        await asyncio.gather(*self._early.values(), return_exceptions=True)
        await asyncio.gather(*(plugin.stop() for plugin in self._plugins))
        self._plugins.clear()

    def kill(self) -> None:
        """At once, with whatever they have started."""
        for plugin in self._plugins:
            plugin.kill()


class Plugin:
    """One plugin process: an `applying.ports.Provider`."""

    def __init__(self, package: str, settings: PluginSettings, executable: str) -> None:
        self.package = package
        self.known = True
        self.urn = ""
        self._settings = settings
        self._executable = executable
        self._configured: Properties | None = None
        self._keep = Keep()
        self._previews = True
        self._process: asyncio.subprocess.Process | None = None
        self._channel: grpc.aio.Channel | None = None
        self._stub: Any = None
        self._last_words: deque[str] = deque(maxlen=5)
        self._readers: list[asyncio.Task[None]] = []

    # ------------------------------------------------------------------------- process

    @property
    def usable(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        self._configured = None
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
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        self._readers.append(asyncio.create_task(self._relay(self._process.stderr, "info")))
        line = b""
        with suppress(TimeoutError):
            line = await asyncio.wait_for(self._process.stdout.readline(), _START_SECONDS)
        port = line.strip()
        if not port.isdigit():
            await asyncio.sleep(0.1)
            said = "\n".join(self._last_words) or f"It said {line!r}."
            self.kill()
            raise ProviderGone(f"The {self.package} provider did not start", said)
        self._readers.append(asyncio.create_task(self._relay(self._process.stdout, "info")))
        self._channel = grpc.aio.insecure_channel(
            f"127.0.0.1:{port.decode()}", options=GRPC_OPTIONS
        )
        self._stub = provider_pb2_grpc.ResourceProviderStub(self._channel)
        await self.handshake(self._settings.engine_address)

    async def handshake(self, engine_address: str) -> None:
        self.known = True
        request = provider_pb2.ProviderHandshakeRequest(
            engine_address=engine_address,
            root_directory=str(self._settings.root_directory),
            program_directory=str(self._settings.program_directory),
            configure_with_urn=True,
        )
        # Many of Pulumi's own plugins do without it.
        with suppress(Unsupported):
            await self._call("Handshake", request)
        with suppress(Unsupported):
            await self._call("GetPluginInfo", empty_pb2.Empty())

    async def _relay(self, stream: asyncio.StreamReader, severity: str) -> None:
        while line := await stream.readline():
            text = line.decode(errors="replace").rstrip()
            if text:
                self._last_words.append(text)
                self._settings.listener(Diagnostic(severity, text))

    async def stop(self) -> None:
        """Ask it to end, then make it end."""
        process = self._process
        if process is None:
            return
        if process.returncode is None and self._stub is not None:
            with suppress(KitError, TimeoutError):
                await asyncio.wait_for(self._call("Cancel", empty_pb2.Empty()), 1.0)
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

    # --------------------------------------------------------------------------- calls

    async def _call(self, method: str, request: Any, *, doing: str = "") -> Any:
        try:
            return await getattr(self._stub, method)(request)
        except grpc.aio.AioRpcError as error:
            raise self._error(error, method, doing) from error

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
                return ProviderGone(
                    f"The {self.package} provider ended unexpectedly during {method}",
                    said or details,
                )
        failure = _init_failure(error)
        if failure is not None:
            return _InitFailed(failure)
        # Anything unreadable is not an answer: nobody knows what was done.
        if error.code() is grpc.StatusCode.INTERNAL and "deserializ" in details:
            return ProviderGone(f"The {self.package} provider sent garbage", details)
        return CloudError(doing or f"{method} failed", details, operation=method.lower())

    def _struct(self, values: Mapping[str, Any]) -> Any:
        return to_struct(values, self._keep)

    async def check_config(self, urn: str, olds: Properties, news: Properties) -> Checked:
        request = provider_pb2.CheckRequest(
            urn=urn,
            olds=to_struct(olds),
            news=to_struct(news),
            name=urns.name_of(urn),
            type=urns.type_of(urn),
        )
        try:
            response = await self._call("CheckConfig", request, doing=_doing("checking", urn))
        except Unsupported:
            return Checked(news)
        return _checked(response)

    async def diff_config(self, old: State, news: Properties) -> Difference:
        request = provider_pb2.DiffRequest(
            id=old.id,
            urn=old.urn,
            olds=to_struct(old.outputs),
            news=to_struct(news),
            old_inputs=to_struct(old.inputs),
            name=urns.name_of(old.urn),
            type=old.type,
        )
        plain = diff.compare(old.inputs, news)
        if not plain.changed:
            return plain
        try:
            response = await self._call("DiffConfig", request, doing=_doing("comparing", old.urn))
        except Unsupported:
            return plain
        return _difference(response, plain)

    async def configure(self, urn: str, id_: str, inputs: Properties) -> None:
        if self._configured == inputs:
            return
        if self._configured is not None:
            # Pulumi's plugins are configured once in their life.
            await self.stop()
            await self.start()
        self._configured = inputs
        arguments = {key: value for key, value in inputs.items() if key != "__internal"}
        variables = {
            f"{self.package}:config:{key}": value
            for key, value in reveal(arguments).items()
            if isinstance(value, str)
        }
        request = provider_pb2.ConfigureRequest(
            variables=variables,
            args=to_struct(arguments),
            acceptSecrets=True,
            acceptResources=True,
            sends_old_inputs=True,
            sends_old_inputs_to_delete=True,
            id=id_ or UNKNOWN_STRING,
            urn=urn,
            name=urns.name_of(urn),
            type=urns.type_of(urn),
        )
        response = await self._call("Configure", request, doing=_doing("configuring", urn))
        self._keep = Keep(secrets=response.acceptSecrets, resources=response.acceptResources)
        self._previews = response.supportsPreview

    async def check(self, urn: str, olds: Properties, news: Properties, seed: bytes) -> Checked:
        request = provider_pb2.CheckRequest(
            urn=urn,
            olds=self._struct(olds),
            news=self._struct(news),
            randomSeed=seed,
            name=urns.name_of(urn),
            type=urns.type_of(urn),
        )
        return _checked(await self._call("Check", request, doing=_doing("checking", urn)))

    async def diff(self, old: State, news: Properties, ignore_changes: Sequence[str]) -> Difference:
        request = provider_pb2.DiffRequest(
            id=old.id,
            urn=old.urn,
            olds=self._struct(old.outputs),
            news=self._struct(news),
            ignoreChanges=ignore_changes,
            old_inputs=self._struct(old.inputs),
            name=urns.name_of(old.urn),
            type=old.type,
        )
        response = await self._call("Diff", request, doing=_doing("comparing", old.urn))
        return _difference(response, diff.compare(old.inputs, news))

    async def create(
        self,
        urn: str,
        inputs: Properties,
        *,
        timeout: float,
        preview: bool,
        token: str,
        repeated: bool = False,
    ) -> Outcome:
        if preview and not self._previews:
            return Outcome("", inputs)
        request = provider_pb2.CreateRequest(
            urn=urn,
            properties=self._struct(inputs),
            timeout=timeout,
            preview=preview,
            name=urns.name_of(urn),
            type=urns.type_of(urn),
            # Not for status reports (there is no address): a name for this one creation,
            # the same again if a killed engine asks a second time.
            resource_status_token=token,
        )
        try:
            response = await self._create(request, urn, repeated)
        except _InitFailed as error:
            return error.outcome()
        if not preview and not response.id:
            raise ProviderGone(f"The {self.package} provider gave no id to {urn}")
        return Outcome(response.id, from_struct(response.properties))

    async def _create(self, request: Any, urn: str, repeated: bool) -> Any:
        metadata = (("aerodrome-repeated", "true"),) if repeated else ()
        try:
            return await self._stub.Create(request, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise self._error(error, "Create", _doing("creating", urn)) from error

    async def read(
        self, urn: str, id_: str, inputs: Properties, outputs: Properties
    ) -> Outcome | None:
        request = provider_pb2.ReadRequest(
            id=id_,
            urn=urn,
            properties=self._struct(outputs),
            inputs=self._struct(inputs),
            name=urns.name_of(urn),
            type=urns.type_of(urn),
        )
        try:
            response = await self._call("Read", request, doing=_doing("reading", urn))
        except _InitFailed as error:
            return error.outcome()
        if not response.id:
            return None
        has_inputs = response.HasField("inputs")
        return Outcome(
            response.id,
            from_struct(response.properties),
            from_struct(response.inputs) if has_inputs else None,
        )

    async def update(
        self,
        old: State,
        news: Properties,
        *,
        ignore_changes: Sequence[str],
        timeout: float,
        preview: bool,
    ) -> Outcome:
        if preview and not self._previews:
            return Outcome(old.id, news)
        request = provider_pb2.UpdateRequest(
            id=old.id,
            urn=old.urn,
            olds=self._struct(old.outputs),
            news=self._struct(news),
            timeout=timeout,
            ignoreChanges=ignore_changes,
            preview=preview,
            old_inputs=self._struct(old.inputs),
            name=urns.name_of(old.urn),
            type=old.type,
        )
        try:
            response = await self._call("Update", request, doing=_doing("updating", old.urn))
        except _InitFailed as error:
            return error.outcome()
        return Outcome(old.id, from_struct(response.properties))

    async def delete(self, state: State, *, timeout: float) -> None:
        request = provider_pb2.DeleteRequest(
            id=state.id,
            urn=state.urn,
            properties=self._struct(state.outputs),
            timeout=timeout,
            old_inputs=self._struct(state.inputs),
            name=urns.name_of(state.urn),
            type=state.type,
        )
        await self._call("Delete", request, doing=_doing("deleting", state.urn))

    async def invoke(self, token: str, arguments: Properties, *, preview: bool) -> Invoked:
        request = provider_pb2.InvokeRequest(
            tok=token, args=self._struct(arguments), preview=preview
        )
        response = await self._call("Invoke", request, doing=f"{token} failed")
        failures = [(failure.property, failure.reason) for failure in response.failures]
        return Invoked(from_struct(getattr(response, "return")), failures)

    async def construct(self, request: Any) -> Any:
        doing = f"{request.type} {request.name} failed"
        return await self._call("Construct", request, doing=doing)

    async def call(self, request: Any) -> Any:
        return await self._call("Call", request, doing=f"{request.tok} failed")


class _InitFailed(CloudError):
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


def _checked(response: Any) -> Checked:
    failures = [(failure.property, failure.reason) for failure in response.failures]
    return Checked(from_struct(response.inputs), failures)


def _difference(response: Any, plain: Difference) -> Difference:
    """The provider's answer; `plain` is what a mere comparison says, if it has none."""
    if response.changes == provider_pb2.DiffResponse.DIFF_NONE and not response.replaces:
        return diff.NONE
    if response.changes == provider_pb2.DiffResponse.DIFF_UNKNOWN and not response.replaces:
        return plain
    keys = {str(diff.parse_path(path)[0]) for path in (*response.diffs, *response.replaces)}
    keys.update(str(diff.parse_path(path)[0]) for path in response.detailedDiff)
    return Difference(
        True,
        tuple(sorted(keys)) or plain.keys,
        tuple(response.replaces),
        response.deleteBeforeReplace,
    )


def _doing(verb: str, urn: str) -> str:
    return f"{verb.capitalize()} {urns.type_of(urn)} {urns.name_of(urn)} failed"


def search_path(folders: Sequence[Path], path: str) -> str:
    """PATH with these folders first."""
    return os.pathsep.join([*map(str, folders), *re.split(os.pathsep, path)])

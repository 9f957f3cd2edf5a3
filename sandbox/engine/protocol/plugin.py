"""What `applying` asks of a provider, as calls to its plugin."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sandbox.engine.applying.ports import Checked, Invoked, Outcome, ProviderGone
from sandbox.engine.model import diff
from sandbox.engine.model import urn as urns
from sandbox.engine.model.diff import Difference
from sandbox.engine.model.resource import State
from sandbox.engine.protocol.plugin_process import InitFailed, PluginProcess
from sandbox.errors import Unsupported
from sandbox.wire.marshal import UNKNOWN_STRING, Keep, from_struct, to_struct
from sandbox.wire.protos import provider_pb2
from sandbox.wire.values import Properties, reveal

_NO_LIMIT = float("inf")
"""For components: what they are made of has limits of its own."""


class Processes(Protocol):
    """The host: knows which process is configured how."""

    def process_for(self, package: str, configuration: Properties) -> PluginProcess: ...


class Plugin:
    """An `applying.ports.Provider`."""

    def __init__(self, package: str, process: PluginProcess, processes: Processes) -> None:
        self.package = package
        self.known = True
        self._process = process
        self._processes = processes

    def _struct(self, values: Mapping[str, Any]) -> Any:
        return to_struct(values, self._process.keep)

    async def check_config(self, urn: str, olds: Properties, news: Properties) -> Checked:
        request = provider_pb2.CheckRequest(
            urn=urn,
            olds=to_struct(olds),
            news=to_struct(news),
            name=urns.name_of(urn),
            type=urns.type_of(urn),
        )
        try:
            response = await self._process.call(
                "CheckConfig", request, doing=_doing("checking", urn)
            )
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
            response = await self._process.call(
                "DiffConfig", request, doing=_doing("comparing", old.urn)
            )
        except Unsupported:
            return plain
        return _difference(response, plain)

    async def configure(self, urn: str, id_: str, inputs: Properties) -> None:
        # The version says which plugin, and there is one.
        configuration = {k: v for k, v in inputs.items() if k not in ("version", "__internal")}
        process = self._processes.process_for(self.package, configuration)
        self._process = process
        self.known = True
        await process.wait_until_started()
        if process.configured is None:
            process.configured = asyncio.create_task(self._configure(urn, id_, inputs))
        await asyncio.shield(process.configured)

    async def _configure(self, urn: str, id_: str, inputs: Properties) -> None:
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
        response = await self._process.call("Configure", request, doing=_doing("configuring", urn))
        self._process.keep = Keep(
            secrets=response.acceptSecrets, resources=response.acceptResources
        )
        self._process.previews = response.supportsPreview

    async def check(self, urn: str, olds: Properties, news: Properties, seed: bytes) -> Checked:
        request = provider_pb2.CheckRequest(
            urn=urn,
            olds=self._struct(olds),
            news=self._struct(news),
            randomSeed=seed,
            name=urns.name_of(urn),
            type=urns.type_of(urn),
        )
        return _checked(await self._process.call("Check", request, doing=_doing("checking", urn)))

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
        response = await self._process.call("Diff", request, doing=_doing("comparing", old.urn))
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
        if preview and not self._process.previews:
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
            response = await self._process.call(
                "Create",
                request,
                doing=_doing("creating", urn),
                metadata=(("aerodrome-repeated", "true"),) if repeated else (),
                limit=self._process.limit(timeout, preview=preview),
            )
        except InitFailed as error:
            return error.outcome()
        if not preview and not response.id:
            raise ProviderGone(f"The {self.package} provider gave no id to {urn}")
        return Outcome(response.id, from_struct(response.properties))

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
            response = await self._process.call(
                "Read", request, doing=_doing("reading", urn), limit=self._process.limit(0)
            )
        except InitFailed as error:
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
        if preview and not self._process.previews:
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
            response = await self._process.call(
                "Update",
                request,
                doing=_doing("updating", old.urn),
                limit=self._process.limit(timeout, preview=preview),
            )
        except InitFailed as error:
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
        await self._process.call(
            "Delete",
            request,
            doing=_doing("deleting", state.urn),
            limit=self._process.limit(timeout),
        )

    async def invoke(self, token: str, arguments: Properties, *, preview: bool) -> Invoked:
        request = provider_pb2.InvokeRequest(
            tok=token, args=self._struct(arguments), preview=preview
        )
        response = await self._process.call("Invoke", request, doing=f"{token} failed")
        failures = [(failure.property, failure.reason) for failure in response.failures]
        return Invoked(from_struct(getattr(response, "return")), failures)

    async def construct(self, request: Any) -> Any:
        doing = f"{request.type} {request.name} failed"
        return await self._process.call("Construct", request, doing=doing, limit=_NO_LIMIT)

    async def call(self, request: Any) -> Any:
        doing = f"{request.tok} failed"
        return await self._process.call("Call", request, doing=doing, limit=_NO_LIMIT)


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

"""Transforms: functions inside the program that may change a registration before it counts.

The program serves them itself (Callbacks); a token names the function.
"""

from typing import Any

import grpc

from sandbox.engine.protocol.plugin_process import GRPC_OPTIONS
from sandbox.errors import UserError
from sandbox.wire.protos import callback_pb2, callback_pb2_grpc, resource_pb2

_COPIED = (
    ("protect", "protect"),
    ("version", "version"),
    ("provider", "provider"),
    ("plugin_download_url", "pluginDownloadURL"),
    ("retain_on_delete", "retainOnDelete"),
    ("deleted_with", "deletedWith"),
    ("import", "importId"),
)
_LISTS = (
    ("depends_on", "dependencies"),
    ("ignore_changes", "ignoreChanges"),
    ("replace_on_changes", "replaceOnChanges"),
    ("additional_secret_outputs", "additionalSecretOutputs"),
    ("replace_with", "replace_with"),
    ("aliases", "aliases"),
)


class Callbacks:
    """Connections to the programs that serve transforms."""

    def __init__(self) -> None:
        self._stubs: dict[str, Any] = {}
        self._channels: list[grpc.aio.Channel] = []

    async def transform(
        self,
        callback: callback_pb2.Callback,
        request: resource_pb2.RegisterResourceRequest,
    ) -> None:
        """Let one transform change `request` in place."""
        message = resource_pb2.TransformRequest(
            type=request.type,
            name=request.name,
            custom=request.custom,
            parent=request.parent,
            properties=request.object,
            options=_options(request),
        )
        answer = resource_pb2.TransformResponse.FromString(
            await self._invoke(callback, message.SerializeToString())
        )
        request.object.CopyFrom(answer.properties)
        if answer.HasField("options"):
            _apply(answer.options, request)

    async def transform_invoke(
        self, callback: callback_pb2.Callback, request: resource_pb2.ResourceInvokeRequest
    ) -> None:
        """Let one transform change a function call in place."""
        message = resource_pb2.TransformInvokeRequest(
            token=request.tok,
            args=request.args,
            options=resource_pb2.TransformInvokeOptions(
                provider=request.provider,
                plugin_download_url=request.pluginDownloadURL,
                version=request.version,
            ),
        )
        answer = resource_pb2.TransformInvokeResponse.FromString(
            await self._invoke(callback, message.SerializeToString())
        )
        request.args.CopyFrom(answer.args)
        if answer.HasField("options"):
            request.provider = answer.options.provider
            request.version = answer.options.version

    async def _invoke(self, callback: callback_pb2.Callback, payload: bytes) -> bytes:
        stub = self._stubs.get(callback.target)
        if stub is None:
            channel = grpc.aio.insecure_channel(callback.target, options=GRPC_OPTIONS)
            self._channels.append(channel)
            stub = callback_pb2_grpc.CallbacksStub(channel)
            self._stubs[callback.target] = stub
        try:
            response = await stub.Invoke(
                callback_pb2.CallbackInvokeRequest(token=callback.token, request=payload)
            )
        except grpc.aio.AioRpcError as error:
            # The program's own error, with its place; the callback's name helps nobody.
            text = (error.details() or "").partition(" error: ")[2] or error.details() or ""
            raise UserError("A transform failed", text.strip()) from error
        answer: bytes = response.response
        return answer

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close(None)


def _options(
    request: resource_pb2.RegisterResourceRequest,
) -> resource_pb2.TransformResourceOptions:
    options = resource_pb2.TransformResourceOptions()
    for theirs, ours in _COPIED:
        # `protect` and others are optional there: unset is not the same as false.
        value = getattr(request, ours)
        if value:
            setattr(options, theirs, value)
    for theirs, ours in _LISTS:
        getattr(options, theirs).extend(getattr(request, ours))
    for name, reference in request.providers.items():
        options.providers[name] = reference
    if request.HasField("customTimeouts"):
        options.custom_timeouts.CopyFrom(request.customTimeouts)
    if request.deleteBeforeReplaceDefined:
        options.delete_before_replace = request.deleteBeforeReplace
    return options


def _apply(
    options: resource_pb2.TransformResourceOptions,
    request: resource_pb2.RegisterResourceRequest,
) -> None:
    for theirs, ours in _COPIED:
        setattr(request, ours, getattr(options, theirs))
    for theirs, ours in _LISTS:
        del getattr(request, ours)[:]
        getattr(request, ours).extend(getattr(options, theirs))
    request.providers.clear()
    for name, reference in options.providers.items():
        request.providers[name] = reference
    if options.HasField("custom_timeouts"):
        request.customTimeouts.CopyFrom(options.custom_timeouts)
    if options.HasField("delete_before_replace"):
        request.deleteBeforeReplace = options.delete_before_replace
        request.deleteBeforeReplaceDefined = True

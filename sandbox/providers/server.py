"""The gRPC server of Pulumi's ResourceProvider protocol, for any `contract.Provider`.

A plugin executable calls `serve(provider)`. From then on Pulumi's engine speaks to it; this
module alone turns messages into the contract's dataclasses, and `failures.py` what is raised
into statuses. It ends when its parent, the engine, ends. Why it is not the SDK's: ADR 9.
"""

import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf import empty_pb2

from sandbox.providers import contract
from sandbox.providers.differences import differences
from sandbox.providers.failures import answers
from sandbox.providers.translation import decode, keep_secret, plain, type_of
from sandbox.wire.marshal import Keep, from_struct, to_struct
from sandbox.wire.protos import plugin_pb2, provider_pb2, provider_pb2_grpc
from sandbox.wire.values import reveal

# Most of a call is waiting for the cloud, so there are more threads than processors; idle
# ones cost nothing until first used.
_THREADS = 32
_MAX_MESSAGE = 400 * 1024 * 1024
_GRACE_SECONDS = 0.5


def serve(provider: contract.Provider) -> None:
    """Answer on a loopback port, printed as the first line, until the engine is gone."""
    parent = os.getppid()
    server = grpc.server(
        ThreadPoolExecutor(_THREADS, thread_name_prefix="rpc"),
        options=[
            ("grpc.max_receive_message_length", _MAX_MESSAGE),
            ("grpc.max_send_message_length", _MAX_MESSAGE),
            ("grpc.so_reuseport", 0),
        ],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(provider), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    ended = threading.Event()
    # Pulumi's engine ends its plugins with SIGINT, one after the other, and waits up to five
    # seconds for each. Ctrl-C does not come here: it gives plugins their own group.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=_watch_parent, args=(parent, ended), daemon=True).start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    ended.wait()
    provider.cancel()
    server.stop(_GRACE_SECONDS).wait()
    # Threads that still wait for the cloud must not keep the process alive.
    os._exit(0)


def _watch_parent(parent: int, ended: threading.Event) -> None:
    """Set `ended` once the process that started this one is gone."""
    try:
        handle = os.pidfd_open(parent)
    except OSError:
        ended.set()
        return
    # The number may have gone to another process before the handle was opened.
    if os.getppid() == parent:
        select.select([handle], [], [])
    ended.set()


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """Pulumi's ResourceProvider, answered by `provider`."""

    def __init__(self, provider: contract.Provider) -> None:
        self.provider = provider
        self._keep = Keep()

    @answers
    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, accept_resources=True)

    @answers
    def GetPluginInfo(
        self, request: empty_pb2.Empty, context: grpc.ServicerContext
    ) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=self.provider.version)

    @answers
    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        return self._check(request, self.provider.check_config)

    @answers
    def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        return self._diff(request, self.provider.diff_config)

    @answers
    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        self._keep = Keep(secrets=request.acceptSecrets, resources=request.acceptResources)
        inputs = decode(plain(request.args), self.provider.text_properties)
        self.provider.configure(contract.ConfigureRequest(inputs))
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, acceptResources=True
        )

    @answers
    def Check(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        return self._check(request, self.provider.check)

    def _check(
        self,
        request: provider_pb2.CheckRequest,
        check: Callable[[contract.CheckRequest], contract.CheckResult],
    ) -> provider_pb2.CheckResponse:
        news = from_struct(request.news)
        result = check(
            contract.CheckRequest(
                urn=request.urn,
                type=type_of(request),
                name=request.name or request.urn.rpartition("::")[2],
                olds=plain(request.olds),
                news=reveal(news),
                random_seed=request.randomSeed,
            )
        )
        return provider_pb2.CheckResponse(
            inputs=to_struct(keep_secret(news, result.inputs), self._keep),
            failures=[
                provider_pb2.CheckFailure(property=failure.property, reason=failure.reason)
                for failure in result.failures
            ],
        )

    @answers
    def Diff(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        return self._diff(request, self.provider.diff)

    def _diff(
        self,
        request: provider_pb2.DiffRequest,
        diff: Callable[[contract.DiffRequest], contract.DiffResult],
    ) -> provider_pb2.DiffResponse:
        old, new = plain(request.old_inputs), plain(request.news)
        result = diff(
            contract.DiffRequest(
                urn=request.urn,
                type=type_of(request),
                id=request.id,
                old_inputs=old,
                old_outputs=plain(request.olds),
                news=new,
            )
        )
        detailed = {}
        for key in result.changes:
            suffix = "_REPLACE" if key in result.replaces else ""
            for path, kind in differences(old, new, key).items():
                detailed[path] = provider_pb2.PropertyDiff(
                    kind=provider_pb2.PropertyDiff.Kind.Value(kind + suffix), inputDiff=True
                )
        some = provider_pb2.DiffResponse.DIFF_SOME
        none = provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(
            changes=some if result.changes or result.replaces else none,
            diffs=list(result.changes),
            replaces=list(result.replaces),
            deleteBeforeReplace=result.delete_before_replace,
            detailedDiff=detailed,
            hasDetailedDiff=True,
        )

    @answers
    def Create(
        self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        inputs = from_struct(request.properties)
        result = self.provider.create(
            contract.CreateRequest(
                urn=request.urn,
                type=type_of(request),
                name=request.name or request.urn.rpartition("::")[2],
                inputs=reveal(inputs),
                preview=request.preview,
            )
        )
        outputs = to_struct(keep_secret(inputs, result.outputs), self._keep)
        return provider_pb2.CreateResponse(id=result.id, properties=outputs)

    @answers
    def Read(
        self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ReadResponse:
        inputs, outputs = from_struct(request.inputs), from_struct(request.properties)
        result = self.provider.read(
            contract.ReadRequest(
                urn=request.urn,
                type=type_of(request),
                id=request.id,
                inputs=reveal(inputs),
                outputs=reveal(outputs),
            )
        )
        if result is None:
            return provider_pb2.ReadResponse()
        known = keep_secret(outputs, keep_secret(inputs, result.outputs))
        return provider_pb2.ReadResponse(
            id=result.id,
            inputs=to_struct(keep_secret(inputs, result.inputs), self._keep),
            properties=to_struct(known, self._keep),
        )

    @answers
    def Update(
        self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        inputs, outputs = from_struct(request.news), from_struct(request.olds)
        result = self.provider.update(
            contract.UpdateRequest(
                urn=request.urn,
                type=type_of(request),
                id=request.id,
                old_inputs=plain(request.old_inputs),
                old_outputs=reveal(outputs),
                inputs=reveal(inputs),
                preview=request.preview,
            )
        )
        # An output that was secret without an input's doing (a made password) stays so;
        # one that an input decides is as secret as the input is now.
        computed = {k: v for k, v in outputs.items() if k not in inputs}
        known = keep_secret(computed, keep_secret(inputs, result))
        return provider_pb2.UpdateResponse(properties=to_struct(known, self._keep))

    @answers
    def Delete(
        self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        self.provider.delete(
            contract.DeleteRequest(
                urn=request.urn,
                type=type_of(request),
                id=request.id,
                inputs=plain(request.old_inputs),
                outputs=plain(request.properties),
            )
        )
        return empty_pb2.Empty()

    @answers
    def Invoke(
        self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.InvokeResponse:
        arguments = from_struct(request.args)
        result = self.provider.invoke(
            contract.InvokeRequest(token=request.tok, arguments=reveal(arguments))
        )
        response = provider_pb2.InvokeResponse()
        marked = keep_secret(arguments, result)
        # The field is called `return`, which Python can not write as an attribute.
        getattr(response, "return").CopyFrom(to_struct(marked, self._keep))
        return response

    @answers
    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self.provider.cancel()
        return empty_pb2.Empty()

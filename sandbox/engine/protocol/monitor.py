"""The ResourceMonitor service: what programs and component providers call to have resources.

Each method turns a message into the engine's own types, asks the deployment, and turns the
answer back. It decides only which provider serves whom.
"""

import functools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
from google.protobuf import empty_pb2

from sandbox.engine.applying.deployment import Deployment, Registered
from sandbox.engine.applying.providers import BUILT_IN
from sandbox.engine.applying.run import Stopped
from sandbox.engine.model import urn as urns
from sandbox.engine.model.resource import State
from sandbox.engine.model.step import Op
from sandbox.engine.protocol import marshal, messages
from sandbox.engine.protocol.callbacks import Callbacks
from sandbox.engine.protocol.engine_log import STOPPING
from sandbox.engine.protocol.messages import ProgramInfo
from sandbox.errors import KitError, Unsupported, UserError
from sandbox.wire.marshal import UNKNOWN_STRING, Keep, from_struct, to_struct
from sandbox.wire.protos import (
    callback_pb2,
    provider_pb2,
    resource_pb2,
    resource_pb2_grpc,
)
from sandbox.wire.values import UNKNOWN, Properties, Secret

_Method = TypeVar("_Method", bound=Callable[..., Awaitable[Any]])


StackOutputs = Callable[[str], Awaitable[tuple[str, Properties]]]
"""Another stack's full name and its outputs, from its state."""


def answers(method: _Method) -> _Method:
    """A monitor method whose errors stop the deployment and end the caller's wait."""

    @functools.wraps(method)
    async def wrapper(self: "Monitor", request: Any, context: Any) -> Any:
        try:
            return await method(self, request, context)
        except Stopped:
            await context.abort(grpc.StatusCode.UNAVAILABLE, STOPPING)
        except KitError as error:
            # What a component provider says of children that were refused is an echo.
            if not (self.deployment.run.stopping and STOPPING in str(error)):
                self.deployment.run.fail(Op.UPDATE, getattr(request, "name", ""), error)
            await context.abort(grpc.StatusCode.UNAVAILABLE, STOPPING)

    # `wraps` keeps the method's signature, which the checker cannot see.
    return wrapper  # type: ignore[return-value]


@dataclass
class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Serves one pass."""

    deployment: Deployment
    info: ProgramInfo
    stack_outputs: StackOutputs
    stack_urn: str = ""
    """The URN of the program's stack, once it is registered."""

    on_shutdown: Callable[[], None] = lambda: None
    """Called when the program says that it has registered everything."""

    callbacks: Callbacks = field(default_factory=Callbacks)
    _stack_transforms: list[callback_pb2.Callback] = field(default_factory=list)
    _invoke_transforms: list[callback_pb2.Callback] = field(default_factory=list)
    _transforms: dict[str, tuple[str, list[callback_pb2.Callback]]] = field(default_factory=dict)
    """Components' own transforms, with the parent: they hold for all descendants."""

    # ------------------------------------------------------------------- registrations

    @answers
    async def RegisterResource(
        self, request: resource_pb2.RegisterResourceRequest, context: Any
    ) -> resource_pb2.RegisterResourceResponse:
        marshal.refuse_unsupported(request)
        if request.type != urns.STACK_TYPE:
            await self._transform(request)
        if request.remote:
            return await self._construct(request)
        urn = self._urn(request.parent, request.type, request.name)
        if not request.custom and not request.remote:
            self._transforms[urn] = (request.parent, list(request.transforms))
        provider = ""
        if urns.is_provider(request.type):
            # Which plugin serves it is an input of a provider, as in Pulumi's state.
            package = urns.package_of(request.type)
            if version := request.version or self.info.versions.get(package):
                request.object.update({"version": version})
        elif request.custom:
            provider = await self._provider(request.type, request)
        former = self.deployment.former_urns
        goal = marshal.goal(request, urn, provider, former, self.info.root)
        registered = await self.deployment.register(goal)
        if request.type == urns.STACK_TYPE:
            self.stack_urn = urn
        return messages.registered(registered, request)

    async def _construct(
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        """A remote component: its provider registers it, and what it consists of."""
        reference = await self._provider(request.type, request)
        provider = self.deployment.run.providers.get(reference)
        message = messages.construct_request(request, self.info)
        response = await provider.construct(message)
        self.deployment.run.begin()
        return messages.constructed(response)

    @answers
    async def RegisterResourceOutputs(
        self, request: resource_pb2.RegisterResourceOutputsRequest, context: Any
    ) -> empty_pb2.Empty:
        self.deployment.set_outputs(request.urn, marshal.properties(request.outputs))
        return empty_pb2.Empty()

    def _urn(self, parent: str, type_: str, name: str) -> str:
        return urns.make(self.info.stack, self.info.project, parent, type_, name)

    async def _provider(self, token: str, request: Any) -> str:
        """The reference of the provider that serves a request for `token`."""
        if request.provider:
            return str(request.provider)
        package = urns.package_of(token)
        mapped = getattr(request, "providers", {})
        if package in mapped:
            return str(mapped[package])
        register = self.deployment.register_default_provider
        providers = self.deployment.run.providers
        version = request.version or self.info.versions.get(package, "")
        return await providers.default(package, version, register)

    async def _transform(self, request: resource_pb2.RegisterResourceRequest) -> None:
        """The resource's own transforms, then its parents', then the stack's."""
        for callback in request.transforms:
            await self.callbacks.transform(callback, request)
        parent = request.parent
        while parent in self._transforms:
            parent, above = self._transforms[parent]
            for callback in above:
                await self.callbacks.transform(callback, request)
        for callback in self._stack_transforms:
            await self.callbacks.transform(callback, request)

    # --------------------------------------------------------------------------- reads

    @answers
    async def ReadResource(
        self, request: resource_pb2.ReadResourceRequest, context: Any
    ) -> resource_pb2.ReadResourceResponse:
        urn = self._urn(request.parent, request.type, request.name)
        if request.type == urns.STACK_REFERENCE_TYPE:
            registered = Registered(await self._stack_reference(request, urn))
        else:
            provider = await self._provider(request.type, request)
            goal = marshal.read_goal(request, urn, provider, self.info.root)
            id_ = UNKNOWN if request.id == UNKNOWN_STRING else request.id
            registered = await self.deployment.read(goal, id_)
        state = registered.state
        keep = Keep(request.acceptSecrets, request.acceptResources)
        return resource_pb2.ReadResourceResponse(
            urn=urn,
            properties=to_struct(state.outputs, keep),
            unknown=registered.unknown,
            id="" if registered.unknown else state.id,
        )

    async def _stack_reference(self, request: resource_pb2.ReadResourceRequest, urn: str) -> State:
        started = time.monotonic()
        goal = marshal.read_goal(request, urn, self._built_in(), self.info.root)
        row = self.deployment.claim_read(goal)
        name = str(goal.inputs.get("name", request.name))
        full_name, outputs = await self.stack_outputs(name)
        secret_names = sorted(key for key, value in outputs.items() if isinstance(value, Secret))
        state = State(
            urn=urn,
            type=request.type,
            custom=True,
            id=full_name,
            inputs={"name": name},
            outputs={"name": name, "outputs": outputs, "secretOutputNames": secret_names},
            parent=request.parent,
            provider=goal.provider,
            external=True,
        )
        self.deployment.record_read(state, row, time.monotonic() - started)
        return state

    def _built_in(self) -> str:
        """The engine's own provider, put into the state when first needed."""
        type_ = urns.PROVIDER_PREFIX + BUILT_IN
        urn = self._urn("", type_, "default")
        id_ = urn.rpartition("::")[2]
        self.deployment.add_built_in(State(urn=urn, type=type_, custom=True, id=id_))
        return f"{urn}::{id_}"

    @answers
    async def ExistsResource(
        self, request: resource_pb2.ExistsResourceRequest, context: Any
    ) -> resource_pb2.ExistsResourceResponse:
        reference = await self._provider(request.type, request)
        provider = self.deployment.run.providers.get(reference)
        if not provider.known or request.id == UNKNOWN_STRING:
            return resource_pb2.ExistsResourceResponse(unknown=True)
        urn = self._urn(request.parent, request.type, request.id)
        found = await provider.read(urn, request.id, {}, {})
        return resource_pb2.ExistsResourceResponse(exists=found is not None)

    # ----------------------------------------------------------------------- functions

    async def Invoke(
        self, request: resource_pb2.ResourceInvokeRequest, context: Any
    ) -> resource_pb2.ResourceInvokeResponse:
        if self.deployment.run.stopping:
            await context.abort(grpc.StatusCode.UNAVAILABLE, STOPPING)
        try:
            return await self._invoke(request)
        except Stopped:
            await context.abort(grpc.StatusCode.UNAVAILABLE, STOPPING)
        except KitError as error:
            # The program may catch it, so it does not stop the deployment.
            await context.abort(grpc.StatusCode.UNKNOWN, str(error))
        raise AssertionError("abort raises")

    async def _invoke(
        self, request: resource_pb2.ResourceInvokeRequest
    ) -> resource_pb2.ResourceInvokeResponse:
        if request.tok == "pulumi:pulumi:getResource":
            return messages.invoke_response(self._get_resource(request), request)
        for callback in self._invoke_transforms:
            await self.callbacks.transform_invoke(callback, request)
        reference = await self._provider(request.tok, request)
        provider = self.deployment.run.providers.get(reference)
        waits = self.info.dry_run and any(map(self.deployment.is_pending, request.dependsOn))
        if waits or not provider.known:
            return resource_pb2.ResourceInvokeResponse(unknown=True)
        invoked = await provider.invoke(
            request.tok, marshal.properties(request.args), preview=self.info.dry_run
        )
        return messages.invoke_response(invoked.result, request, invoked.failures)

    def _get_resource(self, request: resource_pb2.ResourceInvokeRequest) -> Properties:
        self._built_in()
        urn = str(from_struct(request.args).get("urn"))
        state = self.deployment.lookup(urn)
        if state is None:
            raise UserError(f"Unknown resource {urn}", "It is not registered in this run.")
        # In a preview an empty id says that there is none yet.
        found = {"urn": urn, "id": state.id, "state": state.outputs}
        return found | ({"provider": state.provider} if state.provider else {})

    @answers
    async def Call(
        self, request: resource_pb2.ResourceCallRequest, context: Any
    ) -> provider_pb2.CallResponse:
        reference = await self._provider(request.tok, request)
        provider = self.deployment.run.providers.get(reference)
        message = messages.call_request(request, self.info)
        response: provider_pb2.CallResponse = await provider.call(message)
        return response

    # ------------------------------------------------------------------ the run itself

    async def GetDeploymentInfo(
        self, request: empty_pb2.Empty, context: Any
    ) -> resource_pb2.DeploymentInfo:
        return messages.deployment_info(self.info)

    async def SupportsFeature(
        self, request: resource_pb2.SupportsFeatureRequest, context: Any
    ) -> resource_pb2.SupportsFeatureResponse:
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in messages.FEATURES)

    async def RegisterStackTransform(
        self, request: callback_pb2.Callback, context: Any
    ) -> empty_pb2.Empty:
        self._stack_transforms.append(request)
        return empty_pb2.Empty()

    async def RegisterStackInvokeTransform(
        self, request: callback_pb2.Callback, context: Any
    ) -> empty_pb2.Empty:
        self._invoke_transforms.append(request)
        return empty_pb2.Empty()

    @answers
    async def RegisterResourceHook(
        self, request: resource_pb2.RegisterResourceHookRequest, context: Any
    ) -> empty_pb2.Empty:
        raise _unsupported("resource hooks", request.name)

    @answers
    async def RegisterErrorHook(
        self, request: resource_pb2.RegisterErrorHookRequest, context: Any
    ) -> empty_pb2.Empty:
        raise _unsupported("error hooks", request.name)

    @answers
    async def RegisterPackage(
        self, request: resource_pb2.RegisterPackageRequest, context: Any
    ) -> resource_pb2.RegisterPackageResponse:
        raise _unsupported("parameterized packages", request.name)

    async def SignalAndWaitForShutdown(
        self, request: empty_pb2.Empty, context: Any
    ) -> empty_pb2.Empty:
        # Only hooks that run at deletion would need the program for longer.
        self.on_shutdown()
        return empty_pb2.Empty()


def _unsupported(what: str, name: str) -> Unsupported:
    return Unsupported(
        f"The embedded engine does not support {what}", f"The program registers {name}."
    )

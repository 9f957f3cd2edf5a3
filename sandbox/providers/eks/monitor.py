"""The engine's resource monitor, as seen from inside a component."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc

from sandbox.errors import CloudError
from sandbox.providers.eks.values import dependencies, plain
from sandbox.wire.marshal import Keep, from_struct, to_struct
from sandbox.wire.protos import resource_pb2, resource_pb2_grpc
from sandbox.wire.values import UNKNOWN, Output, Properties, ResourceReference, Value

AWS_VERSION = "7.25.0"
"""The version of the aws provider that pulumi-eks 4.4.0 brings."""

_MAX_MESSAGE = 400 * 1024 * 1024


@dataclass(frozen=True)
class Registered:
    """A resource that the engine knows now. Outputs that it does not know yet are UNKNOWN."""

    urn: str
    id: Value
    outputs: Properties

    def __getitem__(self, key: str) -> Output:
        """An output, depending on the resource. What is missing will be known after `up`."""
        return Output(self.outputs.get(key, UNKNOWN), dependencies=frozenset({self.urn}))

    @property
    def id_output(self) -> Output:
        return Output(self.id, dependencies=frozenset({self.urn}))

    @property
    def reference(self) -> ResourceReference:
        return ResourceReference(self.urn, self.id)


@dataclass(frozen=True)
class Component:
    """A registered component: the parent of what comes next, and the providers it works with."""

    urn: str
    providers: Mapping[str, str] = field(default_factory=dict)

    @property
    def reference(self) -> ResourceReference:
        return ResourceReference(self.urn)


class Monitor:
    """Registers resources with the engine, one at a time. A context manager."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(
            address,
            options=[
                ("grpc.max_receive_message_length", _MAX_MESSAGE),
                ("grpc.max_send_message_length", _MAX_MESSAGE),
            ],
        )
        self._stub = resource_pb2_grpc.ResourceMonitorStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._channel.close()

    def component(
        self,
        type_: str,
        name: str,
        *,
        parent: str,
        providers: Mapping[str, str],
        depends_on: Iterable[str] = (),
    ) -> Component:
        """Register a component. Its inputs are not kept, as with the real provider."""
        response = self._call(
            "RegisterResource",
            resource_pb2.RegisterResourceRequest(
                type=type_,
                name=name,
                parent=parent,
                custom=False,
                object=to_struct({}),
                providers=dict(providers),
                dependencies=sorted(depends_on),
                acceptSecrets=True,
                acceptResources=True,
                supportsPartialValues=True,
            ),
        )
        return Component(response.urn, providers)

    def resource(
        self,
        type_: str,
        name: str,
        inputs: Mapping[str, Value],
        *,
        parent: Component,
        depends_on: Iterable[str] = (),
        ignore_changes: Sequence[str] = (),
    ) -> Registered:
        """Register a resource of a cloud and wait until the engine has it."""
        by_property = {key: dependencies(value) for key, value in inputs.items()}
        package = _package(type_)
        response = self._call(
            "RegisterResource",
            resource_pb2.RegisterResourceRequest(
                type=type_,
                name=name,
                parent=parent.urn,
                custom=True,
                object=to_struct(inputs, Keep(outputs=False)),
                dependencies=sorted({*depends_on}.union(*by_property.values())),
                propertyDependencies={
                    key: resource_pb2.RegisterResourceRequest.PropertyDependencies(
                        urns=sorted(urns)
                    )
                    for key, urns in by_property.items()
                },
                provider=parent.providers.get(package, ""),
                version=AWS_VERSION if package == "aws" else "",
                ignoreChanges=list(ignore_changes),
                acceptSecrets=True,
                acceptResources=True,
                supportsPartialValues=True,
            ),
        )
        return Registered(response.urn, response.id or UNKNOWN, from_struct(response.object))

    def outputs(self, component: Component, outputs: Mapping[str, Value]) -> None:
        """Tell the engine what a component gives out, which ends its registration."""
        self._call(
            "RegisterResourceOutputs",
            resource_pb2.RegisterResourceOutputsRequest(
                urn=component.urn, outputs=to_struct(outputs, Keep(outputs=False))
            ),
        )

    def invoke(self, token: str, arguments: Mapping[str, Value], parent: Component) -> Value:
        """A function's result; UNKNOWN, and no call, while an argument is not known."""
        if plain(dict(arguments)) is UNKNOWN:
            return UNKNOWN
        package = _package(token)
        response = self._call(
            "Invoke",
            resource_pb2.ResourceInvokeRequest(
                tok=token,
                args=to_struct(arguments, Keep(secrets=False, outputs=False)),
                provider=parent.providers.get(package, ""),
                version=AWS_VERSION if package == "aws" else "",
                acceptResources=True,
            ),
        )
        if response.failures:
            reasons = "\n".join(failure.reason for failure in response.failures)
            raise CloudError(f"{token} failed", reasons, operation=token)
        return from_struct(getattr(response, "return"))

    def lookup(self, reference: ResourceReference) -> Registered:
        """A resource that somebody else registered in this run."""
        arguments = to_struct({"urn": reference.urn})
        response = self._call(
            "Invoke",
            resource_pb2.ResourceInvokeRequest(
                tok="pulumi:pulumi:getResource", args=arguments, acceptResources=True
            ),
        )
        found = from_struct(getattr(response, "return"))
        return Registered(reference.urn, found.get("id") or UNKNOWN, found.get("state") or {})

    def _call(self, method: str, request: Any) -> Any:
        try:
            return getattr(self._stub, method)(request)
        except grpc.RpcError as error:
            # The engine has told the user already what went wrong with the child; this says whose it was.
            name = getattr(request, "name", "") or getattr(request, "tok", "") or request.urn
            raise CloudError(f"{name}: {error.details()}", operation=method) from error


def _package(token: str) -> str:
    """aws of aws:ec2/vpc:Vpc; a provider resource has no package of its own."""
    return token.partition(":")[0]

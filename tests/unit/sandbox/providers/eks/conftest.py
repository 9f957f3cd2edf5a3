"""The plugin as a process, and an engine's monitor that only keeps what is registered."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from google.protobuf import empty_pb2

from sandbox.wire.marshal import from_struct, to_struct
from sandbox.wire.protos import provider_pb2, resource_pb2, resource_pb2_grpc
from sandbox.wire.values import Properties, ResourceReference, reveal
from tests.unit.sandbox.providers.conformance.real_engine import RealEngine

FEATURES = range(16)
"""What the engine said that it supports: all but moves of state."""


@dataclass(frozen=True)
class Registration:
    """One RegisterResource, decoded."""

    type: str
    name: str
    parent: str
    inputs: Properties
    dependencies: frozenset[str]
    property_dependencies: dict[str, list[str]]
    version: str
    provider: str
    ignore_changes: list[str]


@dataclass
class FakeEngine(resource_pb2_grpc.ResourceMonitorServicer):
    """Answers registrations as the aws provider would; in a preview without computed outputs."""

    preview: bool = False
    registrations: list[Registration] = field(default_factory=list)
    component_outputs: dict[str, Properties] = field(default_factory=dict)
    states: dict[str, tuple[str, Properties]] = field(default_factory=dict)
    invokes: list[tuple[str, Properties]] = field(default_factory=list)

    def RegisterResource(self, request: Any, context: Any) -> Any:
        inputs = from_struct(request.object)
        parent_type = request.parent.split("::")[2] + "$" if request.parent else ""
        parent_type = parent_type.removeprefix("pulumi:pulumi:Stack$")
        urn = f"urn:pulumi:dev::test::{parent_type}{request.type}::{request.name}"
        self.registrations.append(
            Registration(
                type=request.type,
                name=request.name,
                parent=request.parent,
                inputs=inputs,
                dependencies=frozenset(request.dependencies),
                property_dependencies={
                    key: list(value.urns) for key, value in request.propertyDependencies.items()
                },
                version=request.version,
                provider=request.provider,
                ignore_changes=list(request.ignoreChanges),
            )
        )
        identity = "" if self.preview or not request.custom else f"{request.name}-id"
        outputs = dict(inputs)
        if not self.preview:
            outputs |= computed(request.type, request.name)
        self.states[urn] = (identity, outputs)
        return resource_pb2.RegisterResourceResponse(
            urn=urn, id=identity, object=to_struct(outputs) if request.custom else None
        )

    def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:
        outputs = from_struct(request.outputs)
        self.component_outputs[request.urn] = outputs
        self.states[request.urn] = ("", outputs)
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        arguments = from_struct(request.args)
        answer: Properties
        match request.tok:
            case "pulumi:pulumi:getResource":
                identity, state = self.states[arguments["urn"]]
                answer = {"urn": arguments["urn"], "id": identity, "state": state}
            case "aws:index/getPartition:getPartition":
                answer = {"partition": "aws", "dnsSuffix": "amazonaws.com"}
            case "aws:eks/getAddonVersion:getAddonVersion":
                answer = {"version": f"v1-{arguments['addonName']}"}
            case _:
                raise AssertionError(request.tok)
        if not request.tok.startswith("pulumi:"):
            self.invokes.append((request.tok, arguments))
        response = resource_pb2.ResourceInvokeResponse()
        getattr(response, "return").CopyFrom(to_struct(answer))
        return response

    def GetDeploymentInfo(self, request: Any, context: Any) -> Any:
        return resource_pb2.DeploymentInfo(supportedFeatures=list(FEATURES))

    def forget(self) -> None:
        self.preview = False
        for kept in (self.registrations, self.component_outputs, self.states, self.invokes):
            kept.clear()

    def one(self, name: str, type_: str = "") -> Registration:
        found = [r for r in self.registrations if r.name == name and r.type.endswith(type_)]
        assert len(found) == 1, [(r.type, r.name) for r in self.registrations]
        return found[0]

    def names(self) -> list[str]:
        return [r.name for r in self.registrations]


def computed(type_: str, name: str) -> Properties:
    """What a cloud would have made up."""
    if type_ == "aws:eks/cluster:Cluster":
        return {
            "arn": "arn:aws:eks:eu-north-1:1:cluster/real",
            "name": "real",
            "version": "1.36",
            "endpoint": "https://api.example.com",
            "certificateAuthority": {"data": "Q0E="},
            "identities": [{"oidcs": [{"issuer": "https://oidc.example.com/id/1"}]}],
        }
    return {"arn": f"arn:aws:{type_}:{name}"}


@dataclass
class Bench:
    """The plugin and the engine that it talks to."""

    engine: FakeEngine
    plugin: RealEngine

    def construct(
        self,
        type_: str,
        name: str,
        inputs: Properties,
        dependencies: Mapping[str, Sequence[str]] | None = None,
        providers: Mapping[str, str] | None = None,
    ) -> provider_pb2.ConstructResponse:
        return self.plugin.construct(
            type_,
            name,
            inputs,
            dry_run=self.engine.preview,
            dependencies=dependencies or {},
            providers=providers or {},
        )

    def cluster(
        self,
        *,
        dependencies: Mapping[str, Sequence[str]] | None = None,
        providers: Mapping[str, str] | None = None,
        **inputs: Any,
    ) -> provider_pb2.ConstructResponse:
        """A cluster as infra/ asks for it, with these inputs changed or added."""
        wanted = {
            "authenticationMode": "API",
            "skipDefaultNodeGroup": True,
            "name": "real",
            "version": "1.36",
            "vpcId": "vpc-1",
            "publicSubnetIds": ["public-a", "public-b"],
            "privateSubnetIds": ["private-a", "private-b"],
        }
        return self.construct("eks:index:Cluster", "c", wanted | inputs, dependencies, providers)

    def state(self, answer: provider_pb2.ConstructResponse) -> Properties:
        revealed: Properties = reveal(from_struct(answer.state))
        return revealed

    def call(self, cluster: ResourceReference, **arguments: Any) -> Properties:
        """The cluster's only method."""
        token = "eks:index:Cluster/getKubeconfig"
        return self.plugin.call(token, cluster, dry_run=self.engine.preview, **arguments)


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealEngine]:
    """One process for all tests: it holds nothing between requests. Without handshake and
    configuration, as pulumi-eks is used."""
    with RealEngine("eks", tmp_path_factory.mktemp("eks"), {}, FakeEngine()) as engine:
        yield engine


@pytest.fixture
def bench(plugin: RealEngine) -> Bench:
    engine = plugin.monitor
    assert isinstance(engine, FakeEngine)
    engine.forget()
    return Bench(engine, plugin)

"""The part of Pulumi's real engine that speaks to a provider plugin, call by call.

What it sends, and in which order, is what the real engine was seen to send (its gRPC log);
what it refuses in an answer is what the real engine refuses. The plugin runs as a process of
its own, started as the real engine starts it.
"""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import grpc
from google.protobuf import empty_pb2, struct_pb2

from sandbox.wire.marshal import SIGNATURE, UNKNOWN_STRING, Keep, from_struct, to_struct
from sandbox.wire.protos import (
    engine_pb2,
    engine_pb2_grpc,
    provider_pb2,
    provider_pb2_grpc,
    resource_pb2_grpc,
)
from sandbox.wire.values import UNKNOWN, Properties, ResourceReference, Secret, has_unknowns

BIN = Path(__file__).parents[5] / "sandbox" / "bin"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
"""The signature of an output value."""
NOBODY = "127.0.0.1:1"
"""An address of the engine's that no plugin of ours has reason to call."""

SEED = bytes(range(32))
START_SECONDS = 60
END_SECONDS = 2
CALL_SECONDS = 60
STACK, PROJECT = "dev", "test"
DEFAULT_ID = "5b2b9a05-57e4-4d6e-9b3c-3b1a5b8f1e8d"
WIRE = Keep(secrets=True, resources=True)


def urn(type_: str, name: str, parent_types: str = "") -> str:
    return f"urn:pulumi:{STACK}::{PROJECT}::{parent_types}{type_}::{name}"


class EngineService(engine_pb2_grpc.EngineServicer):
    """What plugins tell the user through the engine."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def Log(self, request: engine_pb2.LogRequest, context: Any) -> empty_pb2.Empty:
        self.messages.append(request.message)
        return empty_pb2.Empty()


@dataclass
class Resource:
    """A resource as the engine's state has it."""

    type: str
    name: str
    inputs: Properties
    id: str = ""
    outputs: Properties = field(default_factory=dict)

    @property
    def urn(self) -> str:
        return urn(self.type, self.name)


class RealEngine:
    """One plugin process, and the engine's end of it."""

    def __init__(
        self,
        package: str,
        folder: Path,
        environment: Mapping[str, str],
        monitor: resource_pb2_grpc.ResourceMonitorServicer | None = None,
    ) -> None:
        self.package = package
        self.monitor = monitor
        self.executable = BIN / f"pulumi-resource-{package}"
        self.service = EngineService()
        self._server = grpc.server(ThreadPoolExecutor(8))
        engine_pb2_grpc.add_EngineServicer_to_server(self.service, self._server)
        if monitor is not None:
            resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")}
        self.process = subprocess.Popen(
            [self.executable, self.address],
            cwd=folder,
            env={
                **kept,
                "PULUMI_CONFIG": "{}",
                "PULUMI_PROJECT": PROJECT,
                "PULUMI_RUNTIME_TOOLCHAIN": "pip",
                "PULUMI_RUNTIME_VIRTUALENV": ".venv",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.port_line = self.process.stdout.readline()
        self._channel = grpc.insecure_channel(f"127.0.0.1:{int(self.port_line)}")
        self.stub = provider_pb2_grpc.ResourceProviderStub(self._channel)
        self._tokens = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._server.stop(0)

    # ------------------------------------------------------------------ the plugin itself

    def greet(self) -> provider_pb2.ProviderHandshakeResponse:
        """Handshake and GetPluginInfo, the first two calls."""
        answer = self.stub.Handshake(
            provider_pb2.ProviderHandshakeRequest(
                engine_address=self.address,
                root_directory=str(BIN),
                program_directory=str(BIN),
                configure_with_urn=True,
                supports_views=True,
                supports_refresh_before_update=True,
                invoke_with_preview=True,
                mapper_target=NOBODY,
                loader_target=NOBODY,
                resolver_target=NOBODY,
                accepts_byte_string=True,
            ),
            timeout=START_SECONDS,
        )
        version = self.stub.GetPluginInfo(empty_pb2.Empty()).version
        assert all(part.isdecimal() for part in version.split(".")), "no semantic version"
        assert len(version.split(".")) == 3
        # With a handshake the engine asks nothing more of Configure's answer.
        assert answer.accept_secrets and answer.accept_resources
        return answer

    def configure(
        self,
        name: str,
        olds: Properties | None = None,
        *,
        creating_in_preview: bool = False,
        secret: Sequence[str] = (),
        **arguments: str,
    ) -> Properties:
        """CheckConfig, DiffConfig if it is in the state already, Configure; the inputs."""
        type_ = f"pulumi:providers:{self.package}"
        urn_ = urn(type_, name)
        common = {"urn": urn_, "name": name, "type": type_}
        checked = self.stub.CheckConfig(
            provider_pb2.CheckRequest(
                **common,
                olds=to_struct(olds) if olds is not None else None,
                news=to_struct(arguments),
            )
        )
        assert not checked.failures
        inputs = from_struct(checked.inputs)
        if olds is not None:
            self.stub.DiffConfig(
                provider_pb2.DiffRequest(
                    **common,
                    id=DEFAULT_ID,
                    old_inputs=to_struct(olds),
                    olds=to_struct(olds),
                    news=checked.inputs,
                )
            )
        # The engine remembers which arguments were secret: CheckConfig does not see it.
        marked = {k: Secret(v) if k in secret else v for k, v in inputs.items()}
        self.stub.Configure(
            provider_pb2.ConfigureRequest(
                **common,
                id=UNKNOWN_STRING if creating_in_preview else DEFAULT_ID,
                variables={
                    f"{self.package}:config:{key}": str(value)
                    for key, value in inputs.items()
                    if key != "version"
                },
                args=to_struct(marked),
                acceptSecrets=True,
                acceptResources=True,
                sends_old_inputs=True,
                sends_old_inputs_to_delete=True,
            )
        )
        return inputs

    def close(self) -> int:
        """Cancel, and then an interrupt to the plugin's process group; its exit code.

        All plugins of a run share five seconds for this, or their user is told that they
        "exited prematurely".
        """
        self.stub.Cancel(empty_pb2.Empty())
        assert self.process.poll() is None, "it is the engine that ends it"
        self._channel.close()
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(END_SECONDS)

    # ---------------------------------------------------------------------- one resource

    def check(
        self, type_: str, name: str, news: Properties, olds: Properties | None = None
    ) -> Properties:
        """The checked inputs. The engine sends {} where there were no old ones."""
        answer = self.stub.Check(
            provider_pb2.CheckRequest(
                urn=urn(type_, name),
                name=name,
                type=type_,
                olds=to_struct(olds or {}, WIRE),
                news=to_struct(news, WIRE),
                randomSeed=SEED,
            )
        )
        assert not answer.failures, answer.failures
        return from_struct(answer.inputs)

    def create(self, type_: str, name: str, news: Properties) -> Resource:
        """Check and Create in a preview, then once more for good."""
        self.preview(type_, name, news)
        resource = Resource(type_, name, self.check(type_, name, news))
        answer = self.stub.Create(self._creation(resource, preview=False))
        assert answer.id, "the engine refuses an empty id"
        resource.id = answer.id
        resource.outputs = _known(answer.properties)
        return resource

    def preview(self, type_: str, name: str, news: Properties) -> Properties:
        planned = Resource(type_, name, self.check(type_, name, news))
        answer = self.stub.Create(self._creation(planned, preview=True))
        return from_struct(answer.properties)

    def _creation(self, resource: Resource, *, preview: bool) -> provider_pb2.CreateRequest:
        return provider_pb2.CreateRequest(
            **_names(resource),
            properties=to_struct(resource.inputs, WIRE),
            preview=preview,
            **self._status(),
        )

    def _status(self) -> dict[str, str]:
        """Every step has a token of its own, known to the engine's status service."""
        self._tokens += 1
        return {
            "resource_status_address": NOBODY,
            "resource_status_token": f"{self._tokens:08d}-0000-4000-8000-000000000000",
        }

    def diff(
        self, resource: Resource, news: Properties, ignore: Sequence[str] = ()
    ) -> provider_pb2.DiffResponse:
        """Check with the old inputs, then Diff."""
        return self.diff_checked(
            resource, self.check(resource.type, resource.name, news, resource.inputs), ignore
        )

    def diff_checked(
        self, resource: Resource, inputs: Properties, ignore: Sequence[str] = ()
    ) -> provider_pb2.DiffResponse:
        answer: provider_pb2.DiffResponse = self.stub.Diff(
            provider_pb2.DiffRequest(
                id=resource.id,
                **_names(resource),
                old_inputs=to_struct(resource.inputs, WIRE),
                olds=to_struct(resource.outputs, WIRE),
                news=to_struct(inputs, WIRE),
                ignoreChanges=list(ignore),
            )
        )
        assert answer.changes != provider_pb2.DiffResponse.DIFF_UNKNOWN
        assert set(answer.replaces) <= set(answer.diffs)
        # The engine takes what is shown, and what replaces, from the details alone.
        assert answer.hasDetailedDiff
        kinds = {
            path: provider_pb2.PropertyDiff.Kind.Name(detail.kind)
            for path, detail in answer.detailedDiff.items()
        }
        for key in answer.diffs:
            mine = [kind for path, kind in kinds.items() if _top(path) == key]
            assert mine, f"no detail for {key}"
            assert all(kind.endswith("_REPLACE") == (key in answer.replaces) for kind in mine)
        return answer

    def update(self, resource: Resource, news: Properties, ignore: Sequence[str] = ()) -> None:
        """Check, Diff and Update, in a preview and then for good."""
        inputs = self.check(resource.type, resource.name, news, resource.inputs)
        answer = self.diff_checked(resource, inputs, ignore)
        assert answer.changes == provider_pb2.DiffResponse.DIFF_SOME
        assert not answer.replaces
        for preview in (True, False):
            request = provider_pb2.UpdateRequest(
                id=resource.id,
                **_names(resource),
                olds=to_struct(resource.outputs, WIRE),
                news=to_struct(inputs, WIRE),
                old_inputs=to_struct(resource.inputs, WIRE),
                ignoreChanges=list(ignore),
                preview=preview,
                **self._status(),
            )
            done = self.stub.Update(request)
        resource.inputs, resource.outputs = inputs, _known(done.properties)

    def read(self, resource: Resource) -> Resource | None:
        """Refresh: Read with all that is known. None if the answer has no id."""
        return self._read(
            resource,
            inputs=to_struct(resource.inputs, WIRE),
            properties=to_struct(resource.outputs, WIRE),
        )

    def get(self, type_: str, name: str, id_: str) -> Resource | None:
        """`get`, and the first half of an import: Read with nothing but the id."""
        return self._read(Resource(type_, name, {}, id_), properties=struct_pb2.Struct())

    def _read(self, resource: Resource, **more: struct_pb2.Struct) -> Resource | None:
        answer = self.stub.Read(
            provider_pb2.ReadRequest(id=resource.id, **_names(resource), **more, **self._status())
        )
        if not answer.id:
            return None
        assert answer.HasField("inputs"), "the engine could not import it"
        return Resource(
            resource.type,
            resource.name,
            _known(answer.inputs),
            answer.id,
            _known(answer.properties),
        )

    def delete(self, resource: Resource) -> None:
        self.stub.Delete(
            provider_pb2.DeleteRequest(
                id=resource.id,
                **_names(resource),
                properties=to_struct(resource.outputs, WIRE),
                old_inputs=to_struct(resource.inputs, WIRE),
                **self._status(),
            ),
            timeout=CALL_SECONDS,
        )

    # ------------------------------------------------------- functions, components, methods

    def invoke(self, token: str, arguments: Properties, *, preview: bool = False) -> Properties:
        answer = self.stub.Invoke(
            provider_pb2.InvokeRequest(tok=token, args=to_struct(arguments, WIRE), preview=preview)
        )
        assert not answer.failures
        return _known(getattr(answer, "return"))

    def construct(
        self,
        type_: str,
        name: str,
        inputs: Properties,
        *,
        dry_run: bool,
        dependencies: Mapping[str, Sequence[str]],
        providers: Mapping[str, str],
    ) -> provider_pb2.ConstructResponse:
        """Construct; `inputs` carry their dependencies, as acceptsOutputValues has it."""
        answer: provider_pb2.ConstructResponse = self.stub.Construct(
            provider_pb2.ConstructRequest(
                **_run(self.address, dry_run),
                organization="organization",
                type=type_,
                name=name,
                parent=urn("pulumi:pulumi:Stack", f"{PROJECT}-{STACK}"),
                inputs=to_struct(
                    {
                        key: _output(value, dependencies.get(key, ()))
                        for key, value in inputs.items()
                    },
                    WIRE,
                ),
                inputDependencies={
                    key: provider_pb2.ConstructRequest.PropertyDependencies(urns=list(urns))
                    for key, urns in dependencies.items()
                },
                dependencies=sorted({one for urns in dependencies.values() for one in urns}),
                providers=dict(providers),
                accepts_output_values=True,
                stack_trace_handle="",
            ),
            timeout=120,
        )
        assert answer.urn.endswith(f"{type_}::{name}")
        assert set(answer.stateDependencies) <= set(answer.state.fields)
        if not dry_run:
            _known(answer.state)
        return answer

    def call(
        self, token: str, self_: ResourceReference, *, dry_run: bool = False, **arguments: str
    ) -> Properties:
        answer = self.stub.Call(
            provider_pb2.CallRequest(
                tok=token,
                args=to_struct({"__self__": self_, **arguments}, WIRE),
                argDependencies={
                    "__self__": provider_pb2.CallRequest.ArgumentDependencies(urns=[self_.urn])
                },
                accepts_output_values=True,
                stack_trace_handle="",
                **_run(self.address, dry_run),
            )
        )
        assert not answer.failures
        return from_struct(getattr(answer, "return"))


def _output(value: Any, dependencies: Sequence[str]) -> Any:
    """A value with what it depends on, as only components get it."""
    if not dependencies:
        return value
    known = {} if value is UNKNOWN else {"value": value}
    return {SIGNATURE: OUTPUT, **known, "dependencies": sorted(dependencies)}


def _run(address: str, dry_run: bool) -> dict[str, Any]:
    """What Construct and Call say of the run."""
    return {
        "project": PROJECT,
        "stack": STACK,
        "config": {"aws:region": "us-east-1"},
        "configSecretKeys": [],
        "dryRun": dry_run,
        "parallel": 8,
        "monitorEndpoint": address,
    }


def _names(resource: Resource) -> dict[str, str]:
    return {"urn": resource.urn, "name": resource.name, "type": resource.type}


def _known(struct: struct_pb2.Struct) -> Properties:
    """What the engine takes for a state: nothing unknown in it."""
    values = from_struct(struct)
    assert not has_unknowns(values), values
    return values


def _top(path: str) -> str:
    """`tags` of `tags.owner`, `tags["a.b"]` and `tags[0]`; `a.b` of `["a.b"]`."""
    if path.startswith('["'):
        return path[2:].partition('"]')[0]
    return path.partition("[")[0].partition(".")[0]

"""A provider behind the real protocol: what the engine sees of it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from google.protobuf import empty_pb2

from sandbox.errors import CloudError, PartiallyCreated, UserError
from sandbox.providers import contract
from sandbox.providers.server import Servicer
from sandbox.wire.marshal import from_struct, to_struct
from sandbox.wire.protos import provider_pb2, provider_pb2_grpc, status_pb2
from sandbox.wire.values import UNKNOWN, Properties, Secret

URN = "urn:pulumi:dev::demo::aws:iam/user:User::ann"
ROOT = Path(__file__).parents[4]


class Recorder(contract.Provider):
    """Remembers each request; answers as simply as can be."""

    package = "recorder"
    version = "1.2.3"
    text_properties = frozenset({"kubeconfig"})

    def __init__(self) -> None:
        self.seen: list[object] = []
        self.error: Exception | None = None
        self.gone = False

    def configure(self, request: contract.ConfigureRequest) -> None:
        self.seen.append(request)

    def check(self, request: contract.CheckRequest) -> contract.CheckResult:
        self.seen.append(request)
        failures = [contract.CheckFailure("name", "too long")] if "bad" in request.news else []
        return contract.CheckResult({"added": True} | request.news, failures)

    def diff(self, request: contract.DiffRequest) -> contract.DiffResult:
        self.seen.append(request)
        changes = contract.changed_keys(request.old_inputs, request.news)
        return contract.DiffResult(changes, [k for k in changes if k == "name"], True)

    def create(self, request: contract.CreateRequest) -> contract.CreateResult:
        self.seen.append(request)
        if self.error is not None:
            raise self.error
        return contract.CreateResult("i-1", request.inputs | {"made": Secret("m")})

    def read(self, request: contract.ReadRequest) -> contract.ReadResult | None:
        if self.gone:
            return None
        return contract.ReadResult("i-1", {"password": "drifted"}, {"password": "drifted"})

    def update(self, request: contract.UpdateRequest) -> Properties:
        self.seen.append(request)
        return request.inputs | {"made": "m"}

    def invoke(self, request: contract.InvokeRequest) -> Properties:
        return {"echo": request.arguments, "token": request.token}


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def stub(recorder: Recorder) -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    server = grpc.server(ThreadPoolExecutor(2))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(recorder), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        stub.Configure(provider_pb2.ConfigureRequest(acceptSecrets=True, acceptResources=True))
        yield stub
    server.stop(None)


def create(stub, inputs, **more):
    return stub.Create(provider_pb2.CreateRequest(urn=URN, properties=to_struct(inputs), **more))


def test_configuration_is_decoded_but_not_text(stub, recorder):
    args = {"defaultTags": '{"tags": {"a": "b"}}', "skip": "true", "kubeconfig": '{"a": 1}'}
    stub.Configure(provider_pb2.ConfigureRequest(args=to_struct(args)))
    assert recorder.seen[-1].inputs == {
        "defaultTags": {"tags": {"a": "b"}},
        "skip": True,
        "kubeconfig": '{"a": 1}',
    }


def test_plugin_info_and_handshake(stub):
    assert stub.GetPluginInfo(empty_pb2.Empty()).version == "1.2.3"
    assert stub.Handshake(provider_pb2.ProviderHandshakeRequest()).accept_secrets


def test_type_and_name_come_from_the_urn_if_need_be(stub, recorder):
    stub.Check(
        provider_pb2.CheckRequest(
            urn="urn:pulumi:dev::demo::eks:index:Cluster$aws:iam/role:Role::a", randomSeed=b"x"
        )
    )
    seen = recorder.seen[-1]
    assert (seen.type, seen.name, seen.random_seed) == ("aws:iam/role:Role", "a", b"x")


def test_providers_see_plain_values_and_secrets_come_back_marked(stub, recorder):
    inputs = {"password": Secret("p"), "deep": {"a": Secret("x"), "b": UNKNOWN}, "name": "n"}
    answer = stub.Check(provider_pb2.CheckRequest(urn=URN, news=to_struct(inputs)))
    assert recorder.seen[-1].news == {
        "password": "p",
        "deep": {"a": "x", "b": UNKNOWN},
        "name": "n",
    }
    assert from_struct(answer.inputs) == inputs | {"added": True}
    made = from_struct(create(stub, inputs, preview=True).properties)
    assert made == inputs | {"made": Secret("m")}
    assert recorder.seen[-1].preview


def test_a_changed_secret_is_secret_as_a_whole(stub):
    answer = stub.Read(
        provider_pb2.ReadRequest(id="i-1", urn=URN, inputs=to_struct({"password": Secret("p")}))
    )
    assert from_struct(answer.inputs) == {"password": Secret("drifted")}
    assert from_struct(answer.properties) == {"password": Secret("drifted")}


def test_read_of_what_is_gone_gives_no_id(stub, recorder):
    recorder.gone = True
    assert stub.Read(provider_pb2.ReadRequest(id="i-1", urn=URN)).id == ""


def test_an_update_keeps_what_the_provider_made_secret(stub):
    answer = stub.Update(
        provider_pb2.UpdateRequest(
            urn=URN,
            olds=to_struct({"made": Secret("m"), "a": Secret(1)}),
            news=to_struct({"a": 1}),
        )
    )
    assert from_struct(answer.properties) == {"made": Secret("m"), "a": 1}


def test_diff_details_are_paths(stub):
    answer = stub.Diff(
        provider_pb2.DiffRequest(
            urn=URN,
            old_inputs=to_struct({"name": "a", "tags": {"x": "1", "a.b": "2"}, "l": [1]}),
            news=to_struct({"name": "b", "tags": {"x": "2"}, "l": [1, 2]}),
        )
    )
    kinds = provider_pb2.PropertyDiff.Kind
    assert {path: kinds.Name(d.kind) for path, d in answer.detailedDiff.items()} == {
        "name": "UPDATE_REPLACE",
        "tags.x": "UPDATE",
        'tags["a.b"]': "DELETE",
        "l[1]": "ADD",
    }
    assert answer.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert list(answer.replaces) == ["name"]
    assert answer.deleteBeforeReplace


def test_no_difference(stub):
    answer = stub.Diff(provider_pb2.DiffRequest(urn=URN))
    assert answer.changes == provider_pb2.DiffResponse.DIFF_NONE


def test_check_failures(stub):
    answer = stub.Check(provider_pb2.CheckRequest(urn=URN, news=to_struct({"bad": 1})))
    assert [(f.property, f.reason) for f in answer.failures] == [("name", "too long")]


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (CloudError("No such role", "It is gone."), "UNKNOWN", "No such role\nIt is gone."),
        (UserError("No endpoint"), "INVALID_ARGUMENT", "No endpoint"),
    ],
)
def test_errors_become_statuses(stub, recorder, error, code, message):
    recorder.error = error
    with pytest.raises(grpc.RpcError) as caught:
        create(stub, {})
    assert caught.value.code() is grpc.StatusCode[code]
    assert caught.value.details() == message


def test_a_bug_is_said_to_be_one(stub, recorder):
    recorder.error = KeyError("arn")
    with pytest.raises(grpc.RpcError) as caught:
        create(stub, {})
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "KeyError: 'arn'" in caught.value.details()
    assert "This is a bug in Aerodrome" in caught.value.details()


def test_a_half_made_resource_keeps_its_state_and_its_secrets(stub, recorder):
    recorder.error = PartiallyCreated(
        "Not ready", resource_id="i-9", outputs={"password": "p"}, reasons=["no quorum"]
    )
    with pytest.raises(grpc.RpcError) as caught:
        create(stub, {"password": Secret("p")})
    metadata = dict(caught.value.trailing_metadata())
    status = status_pb2.Status.FromString(metadata["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    assert detail.id == "i-9"
    assert list(detail.reasons) == ["no quorum"]
    assert from_struct(detail.properties) == {"password": Secret("p")}
    assert from_struct(detail.inputs) == {"password": Secret("p")}


def test_what_a_provider_does_not_know_is_refused_by_name(stub):
    with pytest.raises(grpc.RpcError) as caught:
        stub.Delete(provider_pb2.DeleteRequest(urn=URN, id="i-1"))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "aws:iam/user:User" in caught.value.details()


def test_invoke(stub):
    answer = stub.Invoke(provider_pb2.InvokeRequest(tok="t", args=to_struct({"a": Secret(1)})))
    assert from_struct(getattr(answer, "return")) == {"echo": {"a": 1}, "token": "t"}


def test_assets_are_refused_by_name(stub):
    asset = {"4dabf18193072939515e22adb298388d": "c44067f5952c0a294b673a41bacd8c17", "text": "a"}
    with pytest.raises(grpc.RpcError) as caught:
        create(stub, {"file": asset})
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "an asset or an archive" in caught.value.details()


PLUGIN = """
from sandbox.providers import contract, server
server.serve(contract.Provider())
"""
PARENT = f"""
import subprocess, sys
plugin = subprocess.Popen([sys.executable, "-c", {PLUGIN!r}], stdout=subprocess.PIPE, text=True)
print(plugin.pid, plugin.stdout.readline(), flush=True)
sys.stdin.read()
"""


def test_a_plugin_ends_with_the_engine_that_started_it():
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    pid, port = (int(word) for word in parent.stdout.readline().split())
    assert port > 0
    os.kill(pid, 0)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").exists() and _state(pid) != "Z":
        assert time.monotonic() < deadline, "the plugin lives on"
        time.sleep(0.05)


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


@pytest.mark.parametrize("package", ["aws", "docker_build"])
def test_nothing_heavy_is_loaded_before_the_port_is_said(package):
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys, sandbox.providers.{package}.provider, sandbox.providers.server\n"
            "print(*{'boto3', 'botocore', 'pulumi'} & sys.modules.keys())",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout.strip() == ""

"""A real emulator, and an engine's part played by hand on the real provider."""

import contextlib
import hashlib
import json
import os
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sandbox import tools
from sandbox.aws.processes import prepare, stand_in, stand_in_process
from sandbox.instance import Instance
from sandbox.providers import contract
from sandbox.providers.aws.comparison import project
from sandbox.providers.aws.provider import AwsProvider
from sandbox.wire.values import UNKNOWN, Properties, reveal
from tests.ports import free_port

ONLY_OURS = {
    "deletionWindowInDays",
    "forceDelete",
    "forceDestroy",
    "forceOverwriteReplicaSecret",
    "preserve",
    "recoveryWindowInDays",
    "resolveConflictsOnCreate",
    "resolveConflictsOnUpdate",
    "revokeRulesOnDelete",
}
"""Inputs that AWS does not keep, so that an import can not find them."""

DEFAULT_TAGS = {"aerodrome:environment": "test"}


@dataclass
class Resource:
    """What an engine's state would hold."""

    type: str
    name: str
    id: str
    inputs: Properties
    outputs: Properties

    def __getitem__(self, key):
        return self.outputs[key]

    @property
    def urn(self):
        return f"urn:pulumi:dev::demo::{self.type}::{self.name}"


class Engine:
    """Checks, previews, creates, reads, diffs, updates and deletes as an engine would; after
    each step asserts what must hold for every resource type."""

    def __init__(self, provider: AwsProvider) -> None:
        self.provider = provider
        self.made: list[Resource] = []

    def check(self, type_, name, news, olds=None, seed=b"seed"):
        result = self.provider.check(
            contract.CheckRequest(f"urn::{name}", type_, name, olds or {}, news, seed)
        )
        assert not result.failures, result.failures
        return result.inputs

    def diff(self, resource: Resource, news: Properties) -> contract.DiffResult:
        return self.provider.diff(
            contract.DiffRequest(
                resource.urn, resource.type, resource.id, resource.inputs, resource.outputs, news
            )
        )

    def read(self, resource: Resource) -> contract.ReadResult | None:
        return self.provider.read(
            contract.ReadRequest(
                resource.urn, resource.type, resource.id, resource.inputs, resource.outputs
            )
        )

    def create(self, type_: str, name: str, /, **news) -> Resource:
        seed = hashlib.sha256(f"{type_}{name}{news}".encode()).digest()
        inputs = self.check(type_, name, news, seed=seed)
        urn = f"urn:pulumi:dev::demo::{type_}::{name}"
        preview = self.provider.create(
            contract.CreateRequest(urn, type_, name, inputs, preview=True)
        ).outputs
        result = self.provider.create(contract.CreateRequest(urn, type_, name, inputs))
        resource = Resource(type_, name, result.id, inputs, reveal(result.outputs))
        self.made.append(resource)
        promised = known(preview)
        kept = {key: project(promised[key], resource.outputs.get(key)) for key in promised}
        assert kept == promised, "a preview promised what did not come true"
        surprises = resource.outputs.keys() - preview.keys()
        assert not surprises, "outputs that the preview did not know of"
        self.assert_settled(resource)
        return resource

    def assert_settled(self, resource: Resource) -> None:
        """Read finds what the state says, and the same program changes nothing."""
        found = self.read(resource)
        assert found is not None, "read does not find it"
        assert found.inputs == resource.inputs
        assert reveal(found.outputs) == resource.outputs
        again = self.check(resource.type, resource.name, resource.inputs, resource.inputs)
        assert again == resource.inputs
        assert self.diff(resource, again).changes == []

    def update(self, resource: Resource, **news) -> Resource:
        merged = {k: v for k, v in (resource.inputs | news).items() if v is not None}
        inputs = self.check(resource.type, resource.name, merged, resource.inputs)
        difference = self.diff(resource, inputs)
        assert set(difference.changes) == set(news)
        assert difference.replaces == []
        outputs = self.provider.update(
            contract.UpdateRequest(
                resource.urn, resource.type, resource.id, resource.inputs, resource.outputs, inputs
            )
        )
        resource.inputs, resource.outputs = inputs, reveal(outputs)
        self.assert_settled(resource)
        return resource

    def replaces(self, resource: Resource, **news) -> list[str]:
        inputs = self.check(resource.type, resource.name, resource.inputs | news, resource.inputs)
        return list(self.diff(resource, inputs).replaces)

    def imported(self, resource: Resource, id_: str | None = None) -> None:
        """What an import finds differs in nothing from what the program says."""
        bare = Resource(resource.type, resource.name, id_ or resource.id, {}, {})
        found = self.read(bare)
        assert found is not None
        assert found.id == resource.id
        bare.inputs = found.inputs
        ours = set(resource.inputs) - ONLY_OURS
        changes = set(self.diff(bare, resource.inputs).changes)
        assert not changes & ours, (changes, found.inputs, resource.inputs)

    def delete(self, resource: Resource, *, leaves_default: bool = False) -> None:
        request = contract.DeleteRequest(
            resource.urn, resource.type, resource.id, resource.inputs, resource.outputs
        )
        self.provider.delete(request)
        assert leaves_default or self.read(resource) is None
        self.provider.delete(request)
        self.made.remove(resource)

    def invoke(self, token: str, **arguments) -> Properties:
        return self.provider.invoke(contract.InvokeRequest(token, arguments))


def known(value):
    """`value` without what is unknown in it."""
    if isinstance(value, dict):
        return {k: known(v) for k, v in value.items() if v is not UNKNOWN}
    return value


PUSHED = "kit/pushed"
PUSHED_DIGEST = "sha256:" + "7" * 64


class EmptyRegistry(BaseHTTPRequestHandler):
    """An image registry to which nothing was ever pushed, but one image to one repository."""

    def do_GET(self) -> None:
        answers = {
            f"/v2/{PUSHED}/tags/list": {"tags": ["one"]},
            f"/v2/{PUSHED}/manifests/one": {"layers": [], "config": {}},
        }
        if self.path not in answers:
            self.send_error(404)
            return
        body = json.dumps(answers[self.path]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Docker-Content-Digest", PUSHED_DIGEST)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args) -> None:
        pass


@pytest.fixture(scope="session")
def registry() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), EmptyRegistry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def endpoint(
    tmp_path_factory: pytest.TempPathFactory, registry: str
) -> Iterator[tuple[str, dict[str, str]]]:
    """One emulator for all tests of this folder, and its root's key."""
    instance = Instance("test", 63, tmp_path_factory.mktemp("sandbox"))
    prepare(instance)
    instance.pki.mkdir()
    (instance.pki / "ca.crt").write_text("-----BEGIN CERTIFICATE-----\n")
    settings = replace(
        stand_in(instance), host="127.0.0.1", port=free_port(), registry_url=registry
    )
    planned = stand_in_process(settings, tools.ministack_python())
    process = subprocess.Popen(planned.argv, env={"PATH": os.defpath} | dict(planned.env))
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(OSError), urllib.request.urlopen(planned.ready.url):
            break
        time.sleep(0.05)
    yield f"http://127.0.0.1:{settings.port}", json.loads(instance.aws_credentials.read_text())
    process.terminate()
    process.wait()


@pytest.fixture
def provider(endpoint, monkeypatch: pytest.MonkeyPatch) -> AwsProvider:
    url, key = endpoint
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["secret_access_key"])
    # The shared session has looked for credentials before, maybe without these.
    from sandbox.providers.aws import clients

    clients.warm_up.cache_clear()
    provider = AwsProvider()
    provider.configure(
        contract.ConfigureRequest({"region": "us-east-1", "defaultTags": {"tags": DEFAULT_TAGS}})
    )
    return provider


@pytest.fixture
def engine(provider: AwsProvider) -> Engine:
    return Engine(provider)

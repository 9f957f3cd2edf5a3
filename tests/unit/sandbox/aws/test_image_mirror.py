"""What a mirror lacks is named before anything is made: asked of ECR by botocore, and of the real registry by its own API."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from botocore.stub import Stubber

from cli.base.errors import CloudError, UserError
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.preflight import image_mirror
from cli.operations.preflight.image_mirror import MirrorRequest
from cli.stack.backends import Found
from infra.contract import public_images
from infra.contract.public_images import GRAFANA, KARPENTER, PublicImage
from sandbox.instance import ACCOUNT_ID
from tests.unit.sandbox.aws.conftest import REGION, Emulator
from tests.unit.sandbox.aws.test_images import push

ECR = f"{ACCOUNT_ID}.dkr.ecr.{REGION}.amazonaws.com"
(DEBIAN,) = dict.fromkeys(public_images.bases().values())


def asked(mirror: str, *images: PublicImage, deployed: bool = False) -> MirrorRequest:
    return MirrorRequest(mirror, images, frozenset(images if deployed else ()))


def check(emulator: Emulator, request: MirrorRequest) -> list[str]:
    """What is reported."""
    said: list[str] = []
    image_mirror.check(lambda region: emulator.client, request, said.append)
    return said


def put(emulator: Emulator, registry: str, image: PublicImage, mirror: str) -> PublicImage:
    """The image, as it is pinned there: by the digest of what was pushed."""
    repository = image.place(mirror).partition("/")[2]
    emulator.client("ecr").create_repository(repositoryName=repository)
    digest = push(registry, repository, image.tag, image.name.encode())
    return replace(image, digest=digest if image.digest else "")


class TestEcr:
    def test_all_is_there(self, emulator: Emulator, registry: str) -> None:
        mirror = f"{ECR}/whole"
        images = [put(emulator, registry, one, mirror) for one in (DEBIAN, GRAFANA, KARPENTER)]
        assert check(emulator, asked(mirror, *images)) == []

    def test_what_is_missing_is_named_with_the_command(
        self, emulator: Emulator, registry: str
    ) -> None:
        mirror = f"{ECR}/half"
        debian = put(emulator, registry, DEBIAN, mirror)
        # Another image has the tag: Grafana is pulled by its digest.
        put(emulator, registry, GRAFANA, mirror)
        with pytest.raises(UserError) as refused:
            check(emulator, asked(mirror, debian, GRAFANA, KARPENTER))
        error = refused.value
        assert error.summary == f"The mirror {mirror} lacks grafana, karpenter"
        assert f"{mirror}/docker.io/grafana/grafana@{GRAFANA.digest}" in error.detail
        assert f"{mirror}/public.ecr.aws/karpenter/controller:{KARPENTER.tag}" in error.detail
        assert "debian" not in error.detail
        assert "Nothing was changed" in error.detail
        assert error.command == f"./aerodrome image public --mirror {mirror} --commands"

    def test_an_environment_that_runs_with_it_goes_on(self, emulator: Emulator) -> None:
        (said,) = check(emulator, asked(f"{ECR}/lost", DEBIAN, deployed=True))
        assert "has lost" in said
        assert f"{ECR}/lost/docker.io/library/debian:bookworm-slim" in said

    def test_what_it_does_not_run_with_yet_holds_it_up(self, emulator: Emulator) -> None:
        request = replace(asked(f"{ECR}/lost", DEBIAN, GRAFANA), deployed=frozenset({DEBIAN}))
        said: list[str] = []
        with pytest.raises(UserError, match="lacks grafana\n"):
            image_mirror.check(lambda region: emulator.client, request, said.append)
        assert "debian" in said[0]

    def test_what_ecr_fetches_by_itself_needs_no_copy(self, emulator: Emulator) -> None:
        """The emulator has no such rules, and refuses to make one: AWS's model of the API checks question and answer."""
        ecr = emulator.client("ecr")
        with Stubber(ecr) as stub:
            for image in (KARPENTER, GRAFANA):
                stub.add_client_error("describe_images", "RepositoryNotFoundException")
                if image is KARPENTER:
                    rule = {"ecrRepositoryPrefix": "cached/public.ecr.aws"}
                    answer = {"pullThroughCacheRules": [rule]}
                    stub.add_response(
                        "describe_pull_through_cache_rules", answer, {"registryId": ACCOUNT_ID}
                    )
            request = asked(f"{ECR}/cached", KARPENTER, GRAFANA)
            with pytest.raises(UserError, match=r"lacks grafana\n"):
                image_mirror.check(lambda region: lambda service: ecr, request, print)
            stub.assert_no_pending_responses()

    def test_a_registry_that_may_not_be_asked_is_no_fault_of_the_settings(
        self, emulator: Emulator
    ) -> None:
        ecr = emulator.client("ecr")
        with Stubber(ecr) as stub:
            stub.add_client_error("describe_images", "AccessDeniedException")
            with pytest.raises(CloudError, match="refuses to look for"):
                image_mirror.check(
                    lambda region: lambda service: ecr, asked(f"{ECR}/else", DEBIAN), print
                )


@pytest.fixture
def guarded(registry: str) -> Iterator[tuple[str, list[str]]]:
    """A registry that gives tokens to everybody, before the real one: its address, and who asked without one."""
    refused: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(200, json.dumps({"token": "anybody"}).encode())

        def do_HEAD(self) -> None:
            if self.headers["Authorization"] != "Bearer anybody":
                refused.append(self.path)
                realm = f"http://{self.headers['Host']}/token"
                told = f'Bearer realm="{realm}",service="test",scope="repository:pull"'
                self.answer(401, b"", **{"WWW-Authenticate": told})
                return
            request = urllib.request.Request(registry + self.path, method="HEAD")
            request.add_header("Accept", self.headers["Accept"])
            try:
                with urllib.request.urlopen(request) as found:
                    self.answer(found.status, b"")
            except urllib.error.HTTPError as error:
                self.answer(error.code, b"")

        def answer(self, code: int, body: bytes, **headers: str) -> None:
            self.send_response(code)
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}", refused
    server.shutdown()
    server.server_close()


class TestAnotherRegistry:
    def test_is_asked_by_digest_and_by_tag(self, registry: str) -> None:
        mirror = f"{registry.removeprefix('http://')}/plain"
        pushed = push(registry, "plain/docker.io/grafana/grafana", GRAFANA.tag, b"grafana")
        assert image_mirror.has(replace(GRAFANA, digest=pushed), mirror)
        assert not image_mirror.has(GRAFANA, mirror)
        assert not image_mirror.has(DEBIAN, mirror)
        push(registry, "plain/docker.io/library/debian", DEBIAN.tag, b"debian")
        assert image_mirror.has(DEBIAN, mirror)

    def test_gives_its_token_to_everybody(
        self, registry: str, guarded: tuple[str, list[str]]
    ) -> None:
        address, refused = guarded
        push(registry, "open/docker.io/library/debian", DEBIAN.tag, b"debian")
        assert image_mirror.has(DEBIAN, f"{address}/open")
        assert not image_mirror.has(GRAFANA, f"{address}/open")
        assert len(refused) == 2

    def test_that_does_not_answer_is_named(self) -> None:
        with pytest.raises(CloudError, match=r"The registry 127\.0\.0\.1:9 does not answer"):
            image_mirror.has(DEBIAN, "127.0.0.1:9/mirror")


OLDER = "sha256:" + "0" * 64
"""Of another Grafana than the list's."""


def wanted(**settings: str) -> MirrorRequest | None:
    keys = {f"aerodrome:{key}": value for key, value in settings.items()}
    image, release = image_mirror.TOLD
    inputs = {"buildArgs": {"BASE_IMAGE": DEBIAN.reference("r.example")}}
    built = Found(image, "airflow", "urn", "id", inputs=inputs)
    values = {"grafana": {"image": {"repository": GRAFANA.place("r.example"), "digest": OLDER}}}
    older = Found(release, "monitoring", "urn", "id", inputs={"values": values})
    return image_mirror.request(RequestedSettings(keys, {}), [built, older])


def test_only_what_the_settings_need_is_asked_about() -> None:
    assert wanted() is None
    assert wanted(imageMirror="r.example", rancherEnabled="true") is None
    alone = wanted(imageMirror="r.example", rancherEnabled="false")
    assert alone is not None
    assert alone.images == [DEBIAN]
    assert alone.deployed == {DEBIAN}
    more = wanted(
        imageMirror="other.example/x",
        rancherEnabled="false",
        monitoring="all",
        taskNodes="true",
    )
    assert more is not None
    assert more.images == public_images.everything()
    assert not more.deployed
    newer = wanted(imageMirror="r.example", rancherEnabled="false", monitoring="metrics")
    assert newer is not None
    assert newer.images == [DEBIAN, GRAFANA]
    # It runs with another one, which the mirror may have.
    assert newer.deployed == {DEBIAN}
    without = wanted(
        imageMirror="r.example", rancherEnabled="false", monitoring="all", grafana="false"
    )
    assert without is not None
    assert GRAFANA not in without.images

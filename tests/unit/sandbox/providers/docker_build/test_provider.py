"""Images: built by the real buildah, pushed to a real registry."""

import json
import os
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from sandbox.errors import CloudError, Unsupported, UserError
from sandbox.providers import contract
from sandbox.providers.docker_build.provider import DockerBuildProvider
from sandbox.providers.docker_build.specification import TYPE
from sandbox.wire.values import UNKNOWN

URN = f"urn:pulumi:dev::demo::{TYPE}::tool"
ECR = "000000000000.dkr.ecr.us-east-1.amazonaws.com"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Containerfile").write_text("FROM scratch\nARG who\nCOPY file /\nLABEL by=$who\n")
    (tmp_path / "file").write_text("content\n")
    return tmp_path


def arguments(folder: Path, **more: Any) -> dict[str, Any]:
    context = {"location": str(folder)}
    # A tag is for one image, and the registry is all tests'.
    return {"context": context, "push": True, "tags": [f"{ECR}/demo/tool:{folder.name}"], **more}


def check(inputs: dict[str, Any]) -> dict[str, Any]:
    request = contract.CheckRequest(URN, TYPE, "tool", {}, inputs)
    return DockerBuildProvider().check(request).inputs


def create(inputs: dict[str, Any], preview: bool = False) -> contract.CreateResult:
    request = contract.CreateRequest(URN, TYPE, "tool", check(inputs), preview=preview)
    return DockerBuildProvider().create(request)


def diff(made: contract.CreateResult, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    request = contract.DiffRequest(URN, TYPE, made.id, old, made.outputs, new)
    result = DockerBuildProvider().diff(request)
    assert not result.replaces
    return list(result.changes)


def read(made: contract.CreateResult, inputs: dict[str, Any]) -> contract.ReadResult | None:
    request = contract.ReadRequest(URN, TYPE, made.id, inputs, made.outputs)
    return DockerBuildProvider().read(request)


def test_built_and_pushed(sandbox: str, folder: Path) -> None:
    inputs = arguments(folder)
    made = create(inputs)
    assert made.id == made.outputs["digest"]
    assert made.outputs["digest"].startswith("sha256:")
    assert made.outputs["ref"] == f"{ECR}/demo/tool@{made.outputs['digest']}"
    assert read(made, inputs) is not None
    again = create(inputs)
    assert again.outputs == made.outputs


def test_an_unchanged_context_is_no_change(sandbox: str, folder: Path) -> None:
    inputs = arguments(folder)
    made = create(inputs)
    assert diff(made, inputs, inputs) == []
    (folder / "file").write_text("other\n")
    assert diff(made, inputs, inputs) == ["contextHash"]
    (folder / "file").write_text("content\n")
    assert diff(made, inputs, arguments(folder, buildArgs={"who": "me"})) == ["buildArgs"]
    assert diff(made, inputs, arguments(folder, tags=[UNKNOWN])) == ["tags"]


def test_a_preview_builds_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    outputs = create(arguments(folder), preview=True).outputs
    assert outputs["digest"] is UNKNOWN and outputs["ref"] is UNKNOWN
    assert len(outputs["contextHash"]) == 64


def test_an_image_that_left_the_registry_is_gone(sandbox: str, folder: Path) -> None:
    inputs = arguments(folder)
    made = create(inputs)
    missing = {**made.outputs, "digest": "sha256:" + "0" * 64}
    assert read(contract.CreateResult(made.id, missing), inputs) is None


def test_a_registry_that_does_not_answer_proves_nothing(
    sandbox: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = arguments(folder)
    made = create(inputs)
    monkeypatch.setenv("AERODROME_ECR_ADDRESS", "127.0.0.1:9")
    assert read(made, inputs) is not None


def test_a_build_that_fails_names_the_step(sandbox: str, folder: Path) -> None:
    (folder / "Containerfile").write_text("FROM scratch\nCOPY missing /\n")
    with pytest.raises(UserError) as caught:
        create(arguments(folder))
    summary = "The image tool can not be built at the step: COPY missing /"
    assert caught.value.summary == summary
    assert "no such file or directory" in caught.value.detail


def test_a_base_that_can_not_be_pulled_is_named(sandbox: str, folder: Path) -> None:
    base = f"FROM {sandbox}/no/such:base"
    (folder / "Containerfile").write_text(f"{base}\n")
    settings = folder / "registries.conf"
    settings.write_text(f'[[registry]]\nlocation = "{sandbox}"\ninsecure = true\n')
    os.environ["CONTAINERS_REGISTRIES_CONF"] = str(settings)
    try:
        with pytest.raises(CloudError) as caught:
            create(arguments(folder))
    finally:
        del os.environ["CONTAINERS_REGISTRIES_CONF"]
    assert caught.value.summary == (
        f"The image tool can not be built: its base can not be pulled: {base}"
    )


def test_a_push_that_fails_names_the_repository(
    sandbox: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AERODROME_ECR_ADDRESS", "127.0.0.1:9")
    with pytest.raises(CloudError, match=f"could not be pushed to {ECR}/demo/tool:{folder.name}"):
        create(arguments(folder))


def test_builds_side_by_side_report_what_each_built(sandbox: str, folder: Path) -> None:
    digests: dict[str, str] = {}

    def build(who: str) -> None:
        tags = [f"{ECR}/demo/tool:{folder.name}-{who}"]
        made = create(arguments(folder, buildArgs={"who": who}, noCache=True, tags=tags))
        digests[who] = made.outputs["digest"]

    threads = [threading.Thread(target=build, args=(str(number),)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {who: label(sandbox, digest) for who, digest in digests.items()} == {
        "0": "0",
        "1": "1",
        "2": "2",
    }


def label(address: str, digest: str) -> str:
    """The label `by` of the image that the registry has under `digest`."""
    config = fetched(address, f"manifests/{digest}")["config"]["digest"]
    return str(fetched(address, f"blobs/{config}")["config"]["Labels"]["by"])


def fetched(address: str, path: str) -> dict[str, Any]:
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    request = urllib.request.Request(f"http://{address}/v2/demo/tool/{path}", headers=accept)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return dict(json.load(answer))


def test_a_tag_is_for_one_image_as_in_ecr(sandbox: str, folder: Path) -> None:
    made = create(arguments(folder))
    (folder / "file").write_text("other\n")
    with pytest.raises(CloudError, match="could not be pushed to") as caught:
        create(arguments(folder))
    assert caught.value.detail == (
        f"tag invalid: The image tag '{folder.name}' already exists in the 'demo/tool' repository and "
        "cannot be overwritten because the repository is immutable."
    )
    assert read(made, arguments(folder)) is not None
    (folder / "file").write_text("content\n")
    assert create(arguments(folder)).outputs["digest"] == made.outputs["digest"]


def test_what_stays_in_the_cache_is_not_pushed(sandbox: str, folder: Path) -> None:
    inputs = arguments(folder, push=False, tags=[], exports=[{"cacheonly": {}}])
    made = create(inputs)
    assert made.id == "tool"
    assert made.outputs["digest"] == ""
    assert read(made, inputs) is not None
    assert diff(made, inputs, inputs) == []
    assert diff(made, inputs, arguments(folder)) == ["exports", "push", "tags"]


def test_the_stage_that_failed_is_blamed(sandbox: str, folder: Path) -> None:
    stages = "FROM scratch AS one\nCOPY missing /\nFROM scratch\nCOPY file /\nCOPY --from=one / /\n"
    (folder / "Containerfile").write_text(stages)
    with pytest.raises(UserError) as caught:
        create(arguments(folder))
    assert caught.value.summary == "The image tool can not be built at the step: COPY missing /"


def test_cancelling_ends_the_build(sandbox: str, folder: Path) -> None:
    provider = DockerBuildProvider()
    request = contract.CreateRequest(URN, TYPE, "tool", arguments(folder, noCache=True))
    errors: list[CloudError] = []

    def build() -> None:
        try:
            provider.create(request)
        except CloudError as error:
            errors.append(error)

    provider.cancel()
    thread = threading.Thread(target=build)
    started = time.monotonic()
    thread.start()
    thread.join()
    assert [error.summary for error in errors] == ["The build was cancelled"]
    assert time.monotonic() - started < 20
    # What it left does not disturb the next one.
    assert create(arguments(folder)).id


def test_nothing_stays_mounted(sandbox: str, folder: Path, store: Path) -> None:
    create(arguments(folder))
    assert str(store) not in Path("/proc/mounts").read_text()
    assert [path.name for path in (store / "buildah").glob("build-*")] == []


def test_delete_leaves_the_registry_alone(sandbox: str, folder: Path) -> None:
    inputs = arguments(folder)
    made = create(inputs)
    request = contract.DeleteRequest(URN, TYPE, made.id, inputs, made.outputs)
    DockerBuildProvider().delete(request)
    assert read(made, inputs) is not None


def test_other_types_and_arguments_are_refused_by_name() -> None:
    provider = DockerBuildProvider()
    with pytest.raises(Unsupported, match="docker-build:index:Index"):
        provider.check(contract.CheckRequest(URN, "docker-build:index:Index", "x", {}, {}))
    with pytest.raises(Unsupported, match="host"):
        provider.check_config(contract.CheckRequest(URN, "p", "x", {}, {"host": "tcp://x"}))

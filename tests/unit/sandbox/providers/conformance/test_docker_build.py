"""pulumi-resource-docker-build, spoken to as the real engine speaks: buildah and a registry."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.providers.docker_build.registry import ADDRESS_VARIABLE
from sandbox.wire.protos import provider_pb2
from sandbox.wire.values import UNKNOWN, Properties, Secret
from tests.unit.sandbox.providers.conformance.real_engine import RealEngine

IMAGE = "docker-build:index:Image"
REPOSITORY = "000000000000.dkr.ecr.us-east-1.amazonaws.com/demo/tool"


@pytest.fixture
def engine(registry_address: str, store: Path, tmp_path: Path) -> Iterator[RealEngine]:
    variables = {ADDRESS_VARIABLE: registry_address, "AERODROME_CACHE": str(store)}
    with RealEngine("docker-build", tmp_path, variables) as engine:
        engine.greet()
        engine.configure("default_0_0_22", version="0.0.22")
        yield engine


@pytest.fixture
def news(tmp_path: Path) -> Properties:
    (tmp_path / "Containerfile").write_text("FROM scratch\nCOPY file /\n")
    (tmp_path / "file").write_text("content\n")
    return {
        "context": {"location": str(tmp_path)},
        "dockerfile": {"location": str(tmp_path / "Containerfile")},
        "push": True,
        "tags": [f"{REPOSITORY}:1"],
        "registries": [{"address": REPOSITORY, "username": "AWS", "password": Secret("hush")}],
    }


def test_from_creation_to_deletion(engine: RealEngine, news: Properties, tmp_path: Path) -> None:
    planned = engine.preview(IMAGE, "tool", news)
    assert planned["digest"] is UNKNOWN
    assert planned["contextHash"]
    image = engine.create(IMAGE, "tool", news)
    assert image.outputs["ref"] == f"{REPOSITORY}@{image.id}"
    assert image.outputs["contextHash"] == planned["contextHash"]
    assert isinstance(image.outputs["registries"][0]["password"], Secret)

    assert engine.diff(image, news).changes == provider_pb2.DiffResponse.DIFF_NONE
    (tmp_path / "file").write_text("changed\n")
    before = image.outputs["digest"]
    engine.update(image, {**news, "tags": [f"{REPOSITORY}:2"]})
    assert image.outputs["digest"] != before

    found = engine.read(image)
    assert found is not None
    assert found.outputs == image.outputs
    engine.delete(image)
    assert engine.close() == 0


def test_a_build_that_waits_for_its_repository(engine: RealEngine, news: Properties) -> None:
    planned = engine.preview(IMAGE, "tool", {**news, "tags": [UNKNOWN], "registries": UNKNOWN})
    assert planned["ref"] is UNKNOWN

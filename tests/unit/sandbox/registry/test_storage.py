"""Images are laid into the registry's own folders."""

import hashlib
import json
from pathlib import Path

import pytest

from sandbox.registry import images
from sandbox.registry.storage import Storage


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    path = tmp_path / "rootfs.tar"
    path.write_bytes(b"a tar")
    return path


def read(root: Path, digest: str) -> bytes:
    value = digest.removeprefix("sha256:")
    return (root / "docker/registry/v2/blobs/sha256" / value[:2] / value / "data").read_bytes()


def test_an_image_can_be_followed_from_its_tag_to_its_layer(tmp_path: Path, layer: Path) -> None:
    root = tmp_path / "registry"
    digest = Storage(root).add_image("library/debian", "12", layer, {"os": "linux"})
    repository = root / "docker/registry/v2/repositories/library/debian"
    assert (repository / "_manifests/tags/12/current/link").read_text() == digest
    manifest = json.loads(read(root, digest))
    (described,) = manifest["layers"]
    assert read(root, described["digest"]) == b"a tar"
    assert described["size"] == 5
    config = json.loads(read(root, manifest["config"]["digest"]))
    assert config["rootfs"]["diff_ids"] == [described["digest"]]
    link = repository / "_layers/sha256" / described["digest"].removeprefix("sha256:") / "link"
    assert link.read_text() == described["digest"]


def test_every_blob_is_named_by_its_content(tmp_path: Path, layer: Path) -> None:
    root = tmp_path / "registry"
    Storage(root).add_image("a", "b", layer, {})
    for data in root.glob("docker/registry/v2/blobs/sha256/*/*/data"):
        assert hashlib.sha256(data.read_bytes()).hexdigest() == data.parent.name


def test_a_layer_on_the_same_disk_takes_no_space(tmp_path: Path, layer: Path) -> None:
    Storage(tmp_path / "registry").add_image("a", "b", layer, {})
    assert layer.stat().st_nlink == 2


def test_a_second_time_changes_nothing(tmp_path: Path, layer: Path) -> None:
    root = tmp_path / "registry"
    first = Storage(root).add_image("a", "b", layer, {"os": "linux"})
    files = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert Storage(root).add_image("a", "b", layer, {"os": "linux"}) == first
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == files


def test_the_pause_image_is_where_containerd_looks_for_it() -> None:
    host, _, rest = images.PAUSE.partition("/")
    assert (host, rest) == ("registry.k8s.io", "pause:3.10")

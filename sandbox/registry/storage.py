"""The storage of docker-registry, to write images into before the registry runs.

Nothing is uploaded and nothing compressed: an image of one layer is a few small files, and
the layer itself a hard link to where set-up left it. The layout is distribution's
(registry/storage/paths.go); blobs are named by their content, so writing twice is harmless.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox import files

_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True)
class Blob:
    """Content that is in the storage."""

    digest: str
    size: int


@dataclass(frozen=True)
class Storage:
    """The registry's `rootdirectory`."""

    root: Path

    def add_image(
        self, repository: str, tag: str, layer: Path | bytes, config: Mapping[str, object]
    ) -> str:
        """Put in an image of one layer, an uncompressed tar; returns its digest."""
        layer_blob = self._add_file(layer) if isinstance(layer, Path) else self._add_bytes(layer)
        whole_config = {
            **config,
            "rootfs": {"type": "layers", "diff_ids": [layer_blob.digest]},
            "history": [{"created_by": "aerodrome"}],
        }
        config_blob = self._add_bytes(_json(whole_config))
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST_TYPE,
            "config": _descriptor(_CONFIG_TYPE, config_blob),
            "layers": [_descriptor(_LAYER_TYPE, layer_blob)],
        }
        manifest_blob = self._add_bytes(_json(manifest))
        folder = self._top / "repositories" / repository
        for blob in (layer_blob, config_blob):
            _link(folder / "_layers" / _path_of(blob.digest), blob.digest)
        digest = manifest_blob.digest
        _link(folder / "_manifests" / "revisions" / _path_of(digest), digest)
        _link(folder / "_manifests" / "tags" / tag / "index" / _path_of(digest), digest)
        _link(folder / "_manifests" / "tags" / tag / "current", digest)
        return digest

    @property
    def _top(self) -> Path:
        return self.root / "docker" / "registry" / "v2"

    def _data(self, digest: str) -> Path:
        algorithm, _, value = digest.partition(":")
        return self._top / "blobs" / algorithm / value[:2] / value / "data"

    def _add_bytes(self, content: bytes) -> Blob:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        files.write(self._data(digest), content)
        return Blob(digest, len(content))

    def _add_file(self, path: Path) -> Blob:
        with path.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        data = self._data(digest)
        if not data.exists():
            data.parent.mkdir(parents=True, exist_ok=True)
            _link_or_copy(path, data)
        return Blob(digest, path.stat().st_size)


def _link_or_copy(source: Path, target: Path) -> None:
    """The registry never changes a blob, so both names may mean one file."""
    try:
        target.hardlink_to(source.resolve())
    except OSError:
        part = target.with_name(".part")
        shutil.copyfile(source, part)
        part.rename(target)


def _link(folder: Path, digest: str) -> None:
    """Write what the registry calls a link: a small file that names a blob."""
    files.write(folder / "link", digest)


def _path_of(digest: str) -> str:
    return digest.replace(":", "/")


def _descriptor(media_type: str, blob: Blob) -> dict[str, object]:
    return {"mediaType": media_type, "digest": blob.digest, "size": blob.size}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

"""What an image of AWS's registry consists of, file by file, as it was pushed: asked of ECR, with the caller's rights.

Layers come packed with gzip or zstandard, and are read as they come: nothing is written to disk.
"""

import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, cast

import httpx
import zstandard

from cli.base.errors import KitError, UserError

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
"""A file that a layer takes away, and a folder whose content of before it hides."""

_ZSTD, _GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"
_PART = 1 << 18


@dataclass(frozen=True)
class Reference:
    """One image of a registry by its digest, as pods use it: HOST/REPOSITORY@DIGEST."""

    host: str
    repository: str
    digest: str

    @classmethod
    def parse(cls, text: str) -> "Reference":
        host, _, path = text.partition("/")
        repository, _, digest = path.partition("@")
        if not (host and repository and digest.startswith("sha256:")):
            raise UserError(f"{text!r} is no image by digest", "One is HOST/REPOSITORY@sha256:...")
        return cls(host, repository, digest)

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}@{self.digest}"


@dataclass(frozen=True)
class File:
    """A file of a layer, or one that it takes away."""

    path: str
    """Without a slash at its beginning."""

    executable: bool
    content: bytes


class ImageContent:
    """One image. `ecr` is a boto3 client."""

    def __init__(self, ecr: Any, reference: Reference) -> None:
        self._ecr = ecr
        self.reference = reference
        answer = ecr.batch_get_image(
            repositoryName=reference.repository,
            imageIds=[{"imageDigest": reference.digest}],
            acceptedMediaTypes=list(MANIFESTS),
        )
        if not answer["images"]:
            raise KitError(
                f"The registry does not have {reference}",
                "Somebody deleted it, or a rule of the repository forgot it.",
                "./aerodrome up",
            )
        self.manifest: dict[str, Any] = json.loads(answer["images"][0]["imageManifest"])
        self.config: dict[str, Any] = json.loads(self._text(self.manifest["config"]["digest"]))

    @property
    def layers(self) -> list[str]:
        """Their digests, the lowest first."""
        return [str(layer["digest"]) for layer in self.manifest["layers"]]

    def files(self, layer: str) -> Iterator[File]:
        """Every regular file of one layer, and its whiteouts, in the order in which they are there."""
        with (
            self._opened(layer) as packed,
            tarfile.open(fileobj=unpacked(packed), mode="r|") as tar,
        ):
            for member in tar:
                path = member.name.removeprefix("./").lstrip("/")
                if member.isreg():
                    content = cast(IO[bytes], tar.extractfile(member)).read()
                    yield File(path, bool(member.mode & 0o111), content)

    def _text(self, digest: str) -> str:
        with self._opened(digest) as source:
            return source.read().decode()

    @contextmanager
    def _opened(self, digest: str) -> Iterator[io.RawIOBase | io.BufferedReader]:
        asked = {"repositoryName": self.reference.repository, "layerDigest": digest}
        url = self._ecr.get_download_url_for_layer(**asked)["downloadUrl"]
        # AWS answers by https, maybe through a company's proxy; the sandbox by plain HTTP, on this machine.
        beyond = url.startswith("https:")
        try:
            with httpx.stream("GET", url, trust_env=beyond, timeout=60) as answer:
                answer.raise_for_status()
                yield io.BufferedReader(_Parts(answer.iter_raw(_PART)), _PART)
        except httpx.HTTPError as error:
            raise KitError(
                f"A layer of {self.reference} could not be read: {error or type(error).__name__}",
                "The registry, or the way to it, does not answer.",
            ) from error


def unpacked(source: Any) -> Any:
    """What was packed, whatever packed it: the first bytes say."""
    start = source.peek(4)
    if start.startswith(_ZSTD):
        return zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)
    if start.startswith(_GZIP):
        return gzip.GzipFile(fileobj=source)
    return source


class _Parts(io.RawIOBase):
    """A stream of what comes in parts."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts, self._left = parts, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._left = self._left or next(self._parts, b"")
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


def hidden(path: str) -> tuple[str, bool] | None:
    """What a whiteout takes away: a path, and whether it is all that is below it. None if it is none."""
    folder, _, name = path.rpartition("/")
    if name == OPAQUE:
        return folder, True
    if name.startswith(WHITEOUT):
        return f"{folder}/{name.removeprefix(WHITEOUT)}".lstrip("/"), False
    return None

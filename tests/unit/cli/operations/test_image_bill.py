"""Bills of materials: of an image in a real registry, with Debian's base, real distributions and a real Go program, compared
with what dpkg-query, pip and go say; checked by the validator of the SPDX project."""

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from spdx_tools.spdx.model.document import Document
from spdx_tools.spdx.model.relationship import RelationshipType
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from cli.base.errors import KitError, UserError
from cli.cloud.image_content import ImageContent, Reference
from cli.operations.bill import document, inventory
from sandbox import tools
from sandbox.setup import go_tools
from tests.unit.sandbox.aws.conftest import Emulator, emulator, registry
from tests.unit.sandbox.aws.test_images import MANIFEST, send

__all__ = ["emulator", "registry"]

LAYER = "application/vnd.oci.image.layer.v1.tar"
SITE = "opt/venv/lib/python3.11/site-packages"
GONE = "idna"


def layer(files: dict[str, bytes | Path]) -> bytes:
    """A tar of these; a program where it is one."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.read_bytes()
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o755 if name.startswith("usr/") else 0o644
            tar.addfile(member, io.BytesIO(data))
    return made.getvalue()


def pushed(registry: str, repository: str, layers: list[bytes], **config: Any) -> str:
    """An image of packed layers; its digest."""

    def blob(content: bytes, kind: str) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        place = send(f"{registry}/v2/{repository}/blobs/uploads/", "POST")["Location"]
        send(f"{place}&digest={digest}", "PUT", content)
        return {"mediaType": kind, "digest": digest, "size": len(content)}

    told = json.dumps({"rootfs": {"diff_ids": ["sha256:" + "1" * 64]}, **config}).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blob(told, "application/vnd.oci.image.config.v1+json"),
        "layers": [blob(one, LAYER) for one in layers],
        "annotations": {
            document.BASE_NAME: "docker.io/library/debian:bookworm-slim",
            document.BASE_DIGEST: "sha256:" + "2" * 64,
        },
    }
    content = json.dumps(manifest).encode()
    send(f"{registry}/v2/{repository}/manifests/latest", "PUT", content, MANIFEST)
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture(scope="module")
def distributions() -> dict[str, bytes | Path]:
    """The metadata of everything that is installed beside these tests."""
    found = Path(sys.prefix).glob("lib/python*/site-packages/*.dist-info/METADATA")
    return {f"{SITE}/{one.parent.name}/METADATA": one for one in found}


@pytest.fixture(scope="module")
def image(
    emulator: Emulator, registry: str, distributions: dict[str, bytes | Path]
) -> Iterator[ImageContent]:
    ecr = emulator.client("ecr")
    ecr.create_repository(repositoryName="kit/bill")
    (gone,) = (one for one in distributions if one.startswith(f"{SITE}/{GONE}-"))
    folder, _, _ = gone.rpartition("/")
    base = zstandard.ZstdCompressor(level=1).compress(
        (tools.base_image_dir() / "rootfs.tar").read_bytes()
    )
    middle = gzip.compress(layer({**distributions, "usr/bin/actionlint": tools.actionlint()}), 1)
    top = layer({f"{SITE}/.wh.{folder.rpartition('/')[2]}": b""})
    digest = pushed(registry, "kit/bill", [base, middle, top], created="2027-03-01T10:00:00.1Z")
    yield ImageContent(ecr, Reference("registry.example.org", "kit/bill", digest))


@pytest.fixture(scope="module")
def bill(image: ImageContent, tmp_path_factory: pytest.TempPathFactory) -> Document:
    """As a file, read by SPDX' own parser."""
    path = tmp_path_factory.mktemp("bill") / "airflow.spdx.json"
    document.save(document.of("airflow", image, inventory.of(image)), path)
    first = path.read_bytes()
    document.save(document.of("airflow", image, inventory.of(image)), path)
    assert path.read_bytes() == first, "the same image gives another document"
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    return parse_file(str(path))


def listed(bill: Document, kind: str) -> dict[str, str]:
    return {
        one.name: str(one.version)
        for one in bill.packages
        for reference in one.external_references
        if reference.locator.startswith(f"pkg:{kind}/")
    }


def test_the_document_is_valid(bill: Document) -> None:
    assert validate_full_spdx_document(bill) == []
    assert bill.creation_info.spdx_version == "SPDX-2.3"


def test_debians_packages_are_those_of_dpkg(bill: Document, tmp_path: Path) -> None:
    with tarfile.open(tools.base_image_dir() / "rootfs.tar") as tar:
        status = next(one for one in tar if one.name.lstrip("./") == inventory.DPKG)
        content = tar.extractfile(status)
        assert content
        (tmp_path / "status").write_bytes(content.read())
    command = ["dpkg-query", f"--admindir={tmp_path}", "-W", "-f", "${Package} ${Version}\n"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wanted = dict(line.split(" ") for line in said.splitlines())
    assert len(wanted) > 50
    assert listed(bill, "deb") == wanted
    purls = {ref.locator for one in bill.packages for ref in one.external_references}
    assert any(
        one.startswith("pkg:deb/debian/bash@") and "distro=debian-12" in one for one in purls
    )


def test_pythons_distributions_are_those_of_pip(bill: Document) -> None:
    command = [sys.executable, "-m", "pip", "list", "--format", "json"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wanted = {one["name"]: one["version"] for one in json.loads(said)}
    # A layer above takes it away.
    assert wanted.pop(GONE)
    assert listed(bill, "pypi") == wanted


def test_the_modules_of_a_go_program_are_those_of_go(bill: Document) -> None:
    command = [go_tools.go_program(), "version", "-m", tools.actionlint()]
    said = subprocess.run(command, check=True, capture_output=True, text=True)
    lines = [line.split("\t") for line in said.stdout.splitlines()]
    wanted = {line[2]: line[3] for line in lines if line[1:2] in (["mod"], ["dep"])}
    wanted["stdlib"] = lines[0][0].rpartition("go")[2]
    assert len(wanted) > 5
    assert listed(bill, "golang") == wanted


def test_it_says_what_the_image_is_and_what_it_is_built_on(
    bill: Document, image: ImageContent
) -> None:
    packages = {one.spdx_id: one for one in bill.packages}
    assert packages[document.IMAGE].version == image.reference.digest
    base = packages[document.BASE]
    assert (base.name, base.version) == (
        "docker.io/library/debian:bookworm-slim",
        "sha256:" + "2" * 64,
    )
    contained = {
        one.related_spdx_element_id
        for one in bill.relationships
        if one.relationship_type == RelationshipType.CONTAINS
    }
    assert contained == packages.keys() - {document.IMAGE, document.BASE}
    assert len(contained) == len(packages) - document.NOT_INSTALLED


def test_an_image_that_is_gone_is_named(emulator: Emulator) -> None:
    reference = Reference.parse(f"host/kit/bill@sha256:{'0' * 64}")
    with pytest.raises(KitError, match="does not have host/kit/bill@sha256:000"):
        ImageContent(emulator.client("ecr"), reference)
    with pytest.raises(UserError, match="no image by digest"):
        Reference.parse("host/kit/bill:latest")

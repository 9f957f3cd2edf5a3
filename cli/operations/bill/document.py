"""An image's bill of materials in SPDX 2.3, the JSON that scanners of vulnerabilities and licences read.

The same image gives the same document, byte by byte: its time is that of the image.
"""

import io
import os
import re
from datetime import datetime
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import quote

from spdx_tools.common.spdx_licensing import spdx_licensing
from spdx_tools.spdx.model.actor import Actor, ActorType
from spdx_tools.spdx.model.checksum import Checksum, ChecksumAlgorithm
from spdx_tools.spdx.model.document import CreationInfo, Document
from spdx_tools.spdx.model.package import (
    ExternalPackageRef,
    ExternalPackageRefCategory,
    Package,
    PackagePurpose,
)
from spdx_tools.spdx.model.relationship import Relationship, RelationshipType
from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion
from spdx_tools.spdx.writer.json import json_writer

from cli.cloud.image_content import ImageContent
from cli.operations.bill import inventory
from cli.operations.bill.inventory import Inventory

DOCUMENT, IMAGE, BASE = "SPDXRef-DOCUMENT", "SPDXRef-Image", "SPDXRef-Base"
NOT_INSTALLED = 2
"""Packages of the document that are none: the image itself, and what it is built on."""

BASE_NAME = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"
"""Annotations with which builders say what an image is built on."""


def of(name: str, image: ImageContent, found: Inventory) -> Document:
    """The image `name` as a document."""
    reference = image.reference
    purl = f"pkg:oci/{name}@{quote(reference.digest)}?repository_url={reference.host}/{reference.repository}"
    whole = _package(IMAGE, name, reference.digest, purl, PackagePurpose.CONTAINER)
    whole.checksums = [_checksum(reference.digest)]
    base = _base(image, found)
    parts = [_part(number, one, found.system) for number, one in enumerate(found.packages, 1)]
    kind = RelationshipType
    return Document(
        CreationInfo(
            "SPDX-2.3",
            DOCUMENT,
            name,
            f"https://spdx.org/spdxdocs/aerodrome-{name}-{reference.digest.partition(':')[2]}",
            [Actor(ActorType.TOOL, "aerodrome")],
            _created(image),
        ),
        [whole, base, *parts],
        relationships=[
            Relationship(DOCUMENT, kind.DESCRIBES, IMAGE),
            Relationship(IMAGE, kind.DESCENDANT_OF, BASE),
            *(Relationship(IMAGE, kind.CONTAINS, one.spdx_id) for one in parts),
        ],
    )


def save(document: Document, path: Path) -> None:
    """Checks it against the specification, and writes it: whole, or not at all."""
    text = io.StringIO()
    json_writer.write_document_to_stream(document, text)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text.getvalue() + "\n", encoding="utf-8")
    new.replace(path)


def _base(image: ImageContent, found: Inventory) -> Package:
    """What the image is built on: its lowest layer, and the name and digest that the builder gave it."""
    told = {**image.manifest.get("annotations", {})}
    told |= image.config.get("config", {}).get("Labels") or {}
    lowest = str(image.config["rootfs"]["diff_ids"][0])
    digest = told.get(BASE_DIGEST, "")
    base = _package(
        BASE,
        told.get(BASE_NAME) or found.system or "base",
        digest or lowest,
        "",
        PackagePurpose.CONTAINER,
    )
    base.checksums = [_checksum(digest or lowest)]
    base.comment = (
        f"Base image by digest; its lowest layer is {lowest}"
        if digest
        else "Known by its lowest layer, unpacked: the builder noted no digest"
    )
    return base


def _part(number: int, one: inventory.Package, system: str) -> Package:
    more = dict(one.more)
    name, version = quote(one.name, safe="/"), quote(one.version, safe="")
    match one.kind:
        case "deb":
            distribution = system.partition("-")[0] or "debian"
            asked = f"?arch={more['architecture']}&distro={system}"
            purl = f"pkg:deb/{distribution}/{name}@{version}{asked}"
        case "pypi":
            purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}"
        case _:
            purl = f"pkg:golang/{name}@{version}"
    package = _package(f"SPDXRef-Package-{number}", one.name, one.version, purl)
    package.source_info = f"/{one.where}"
    supplier, address = parseaddr(more.get("supplier", ""))
    if supplier:
        package.supplier = Actor(ActorType.ORGANIZATION, supplier, address or None)
    if more.get("source", one.name) != one.name:
        package.comment = f"From the source package {more['source']}"
    if more.get("license"):
        declared = spdx_licensing.parse(more["license"])
        # A name that is not on SPDX' list would have to be explained in the document.
        if not spdx_licensing.unknown_license_keys(declared):
            package.license_declared = declared
    return package


def _package(
    identity: str, name: str, version: str, purl: str, purpose: PackagePurpose | None = None
) -> Package:
    references = [
        ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", purl)
        for _ in range(bool(purl))
    ]
    return Package(
        identity,
        name,
        SpdxNoAssertion(),
        version=version,
        files_analyzed=False,
        external_references=references,
        primary_package_purpose=purpose,
    )


def _checksum(digest: str) -> Checksum:
    return Checksum(ChecksumAlgorithm.SHA256, digest.partition(":")[2])


def _created(image: ImageContent) -> datetime:
    text: Any = image.config.get("created", "1970-01-01T00:00:00")
    return datetime.fromisoformat(text[:19]).replace(tzinfo=None)

"""What an image has in it: Debian's packages, Python's distributions, Go's modules. Read from what the tools that
installed them left in it, in its layers as they were pushed; a layer hides what it takes away."""

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser

from cli.cloud.image_content import File, ImageContent, hidden

DPKG = "var/lib/dpkg/status"
RELEASE = re.compile(r"(etc|usr/lib)/os-release")
DISTRIBUTION = re.compile(
    r"(?:.*/)?(?:site|dist)-packages/[^/]+\.(?:dist-info/METADATA|egg-info/PKG-INFO|egg-info)"
)
GO = b"\xff Go buildinf:"
_GO_ALIGNED, _GO_HEADER, _GO_INLINE = 16, 32, 2
_GO_FRAME = 16
"""Bytes before and after the list of modules."""


@dataclass(frozen=True, order=True)
class Package:
    """One thing that is installed."""

    kind: str
    """`deb`, `pypi` or `golang`: the type of a package URL."""

    name: str
    version: str
    where: str
    """The file that says so."""

    more: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    """What else it says: `architecture`, `source`, `supplier`, `license`."""


@dataclass(frozen=True)
class Inventory:
    """Of one image."""

    system: str
    """`debian-12`, as package URLs have it."""

    packages: tuple[Package, ...]


def of(image: ImageContent) -> Inventory:
    """Layer by layer. Of each file what counts is kept, so a hundred megabytes of a program are read once."""
    kept: dict[str, tuple[Package, ...]] = {}
    systems: dict[str, str] = {}
    for layer in image.layers:
        found: dict[str, tuple[Package, ...]] = {}
        for file in image.files(layer):
            if gone := hidden(file.path):
                _hide(kept, *gone)
                continue
            # Whatever the layers below have there is not there any more.
            kept.pop(file.path, None)
            if packages := tuple(_packages(file)):
                found[file.path] = packages
            if RELEASE.fullmatch(file.path):
                systems[file.path] = _system(file.content)
        kept |= found
    system = systems.get("usr/lib/os-release") or systems.get("etc/os-release") or ""
    return Inventory(system, tuple(sorted({one for each in kept.values() for one in each})))


def _hide(kept: dict[str, tuple[Package, ...]], path: str, content_only: bool) -> None:
    below = f"{path}/" if path else ""
    for one in [one for one in kept if one.startswith(below) or (one == path and not content_only)]:
        del kept[one]


def _packages(file: File) -> Iterator[Package]:
    if file.path == DPKG:
        yield from _debian(file)
    elif DISTRIBUTION.fullmatch(file.path):
        yield from _python(file)
    elif file.executable and file.content.startswith(b"\x7fELF"):
        yield from _go(file)


def _system(text: bytes) -> str:
    values = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text.decode(errors="replace"), re.M))
    return "-".join(filter(None, (values.get("ID"), values.get("VERSION_ID"))))


def _debian(file: File) -> Iterator[Package]:
    for paragraph in file.content.decode().split("\n\n"):
        fields: dict[str, str] = dict(re.findall(r"^([\w-]+): (.*)$", paragraph, re.M))
        if fields.get("Status", "").split()[-1:] == ["installed"]:
            # `Source: NAME (VERSION)`, where it is called otherwise.
            source = fields.get("Source", fields["Package"]).partition(" ")[0]
            more = {
                "architecture": fields["Architecture"],
                "source": source,
                "supplier": fields.get("Maintainer", ""),
            }
            yield Package(
                "deb", fields["Package"], fields["Version"], file.path, tuple(more.items())
            )


def _python(file: File) -> Iterator[Package]:
    told = BytesHeaderParser().parse(io.BytesIO(file.content))
    if told["Name"] and told["Version"]:
        more = {"license": str(told["License-Expression"] or "")}
        yield Package("pypi", told["Name"], told["Version"], file.path, tuple(more.items()))


def _go(file: File) -> Iterator[Package]:
    """What the compiler wrote into the program: its own version, and the modules that it linked."""
    at = file.content.find(GO)
    while at >= 0 and at % _GO_ALIGNED:
        at = file.content.find(GO, at + 1)
    # Before Go 1.18 there were pointers here; the kit's own compiler is newer.
    if at < 0 or not file.content[at + 15] & _GO_INLINE:
        return
    version, rest = _text(file.content, at + _GO_HEADER)
    modules, _ = _text(file.content, rest)
    if not version.startswith(b"go"):
        return
    yield Package("golang", "stdlib", version.decode().removeprefix("go").split()[0], file.path)
    yield from _modules(modules[_GO_FRAME:-_GO_FRAME].decode(), file.path)


def _modules(text: str, path: str) -> Iterable[Package]:
    """`mod` and `dep` have name, version and hash; `=>` replaces the line before it."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        words = line.split("\t")
        if words[0] in ("mod", "dep") and len(words) > 2:
            found.append((words[1], words[2]))
        elif words[0] == "=>" and len(words) > 2:
            found[-1] = (words[1], words[2])
    return [Package("golang", name, version, path) for name, version in found]


def _text(data: bytes, at: int) -> tuple[bytes, int]:
    """A text with its length before it, and where the next begins."""
    size = shift = 0
    while True:
        byte = data[at]
        at += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return data[at : at + size], at + size

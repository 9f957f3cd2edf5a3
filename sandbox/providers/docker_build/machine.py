"""What of this machine a build may see: its CA certificates and where its packages come from.

Used by `buildah.py`. All of it is mounted for the time of the build, so that nothing of it,
host names above all, gets into the image.
"""

import configparser
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CERTIFICATES = Path("/etc/ssl/certs")

_PIP_FILES = (
    Path("/etc/pip.conf"),
    Path.home() / ".config/pip/pip.conf",
    Path.home() / ".pip/pip.conf",
)
_PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "proxy")
_UV_FILES = (Path("/etc/uv/uv.toml"), Path.home() / ".config/uv/uv.toml")


@dataclass(frozen=True)
class Mount:
    """A file or folder of the machine, read-only in the build at `target`."""

    source: Path
    target: str


def mounts(scratch: Path) -> Iterator[Mount]:
    """What to mount; files made for it go to `scratch`."""
    if CERTIFICATES.is_dir():
        yield Mount(CERTIFICATES, str(CERTIFICATES))
    pip = _pip_settings()
    if pip:
        # Only a machine that needs it gets it: a mount leaves an empty file in the image.
        written = scratch / "pip.conf"
        lines = [f"{key} = {value}" for key, value in pip.items()]
        written.write_text("\n".join(["[global]", *lines, ""]))
        yield Mount(written, "/etc/pip.conf")
    for source in _UV_FILES:
        if source.is_file():
            yield Mount(source, "/etc/uv/uv.toml")
            break


def _pip_settings() -> dict[str, str]:
    """Where this machine's pip looks for packages, if it was told."""
    found: dict[str, str] = {}
    for path in _PIP_FILES:
        parser = configparser.RawConfigParser()
        try:
            parser.read(path)
        except configparser.Error:
            continue
        if parser.has_section("global"):
            found |= {k: v for k, v in parser.items("global") if k in _PIP_KEYS}
    for key in _PIP_KEYS:
        value = os.environ.get(f"PIP_{key.upper().replace('-', '_')}")
        if value:
            found[key] = value
    return found

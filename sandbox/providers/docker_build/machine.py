"""The parts of this machine that a build sees: CA certificates and package sources.

Used by `buildah.py`. All of it is mounted for the time of the build, so that nothing of it,
host names above all, gets into the image.
"""

import configparser
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CERTIFICATES = Path("/etc/ssl/certs")

PIP_FILES = (
    Path("/etc/pip.conf"),
    Path.home() / ".config/pip/pip.conf",
    Path.home() / ".pip/pip.conf",
)
_PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "proxy")
UV_FILES = (Path("/etc/uv/uv.toml"), Path.home() / ".config/uv/uv.toml")


@dataclass(frozen=True)
class Mount:
    """A file or folder of the machine, read-only in the build at `target`."""

    source: Path
    target: str


def mounts(
    scratch: Path,
    *,
    pip_files: Sequence[Path] = PIP_FILES,
    uv_files: Sequence[Path] = UV_FILES,
    environment: Mapping[str, str] = os.environ,
) -> Iterator[Mount]:
    """The mounts of a build; files made for it go to `scratch`."""
    if CERTIFICATES.is_dir():
        yield Mount(CERTIFICATES, str(CERTIFICATES))
    pip = _pip_settings(pip_files, environment)
    if pip:
        # Only a machine that needs it gets it: a mount leaves an empty file in the image.
        written = scratch / "pip.conf"
        lines = [f"{key} = {value}" for key, value in pip.items()]
        written.write_text("\n".join(["[global]", *lines, ""]))
        yield Mount(written, "/etc/pip.conf")
    for source in uv_files:
        if source.is_file():
            yield Mount(source, "/etc/uv/uv.toml")
            break


def _pip_settings(files: Sequence[Path], environment: Mapping[str, str]) -> dict[str, str]:
    """The package index of this machine's pip, if one is configured."""
    found: dict[str, str] = {}
    for path in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(path)
        except configparser.Error:
            continue
        if parser.has_section("global"):
            found |= {k: v for k, v in parser.items("global") if k in _PIP_KEYS}
    for key in _PIP_KEYS:
        value = environment.get(f"PIP_{key.upper().replace('-', '_')}")
        if value:
            found[key] = value
    return found

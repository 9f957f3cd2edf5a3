"""A chart on this machine: where it is, what it says of itself, a hash of all that is in it.

Used by `release.py`. Reads files only.
"""

import hashlib
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.errors import Unsupported, UserError

PROJECT_FILE = "Pulumi.yaml"


@dataclass(frozen=True)
class Chart:
    """What Chart.yaml says, the default values, and their schema if there is one."""

    path: Path
    name: str
    version: str
    app_version: str
    checksum: str
    values: dict[str, Any] = field(default_factory=dict)
    schema: dict[str, Any] | None = None
    late_hooks: bool = False
    """Whether it has hooks that must not run before everything is ready."""


def locate(reference: str) -> Path:
    """The chart that a program names: a path from its own folder, or from its project's."""
    if "://" in reference:
        raise Unsupported(
            f"The sandbox's kubernetes provider does not fetch the chart {reference}",
            "It installs charts that lie on this machine: give a path.",
        )
    given = Path(reference)
    candidates = [given] if given.is_absolute() else [Path.cwd() / given]
    if not given.is_absolute():
        projects = [p for p in (Path.cwd(), *Path.cwd().parents) if (p / PROJECT_FILE).is_file()]
        candidates += [project / given for project in projects[:1]]
    for candidate in candidates:
        packed = candidate.suffix == ".tgz" and candidate.is_file()
        if packed or (candidate / "Chart.yaml").is_file():
            return candidate.resolve()
    tried = ", ".join(str(candidate) for candidate in candidates)
    raise UserError(
        f"There is no chart {reference}", f"Looked for a folder with Chart.yaml: {tried}."
    )


def load(path: Path) -> Chart:
    """Read the chart at `path`, a folder or a .tgz."""
    import yaml

    files = _folder(path) if path.is_dir() else _archive(path)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        about = yaml.load(files["Chart.yaml"], loader) or {}
        values = yaml.load(files.get("values.yaml", b""), loader) or {}
        schema = json.loads(files["values.schema.json"]) if "values.schema.json" in files else None
    except (KeyError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"The chart {path} can not be read", str(error)) from error
    templates = b"".join(text for name, text in files.items() if "templates/" in name)
    return Chart(
        path=path,
        name=str(about.get("name", "")),
        version=str(about.get("version", "")),
        app_version=str(about.get("appVersion") or ""),
        checksum=_hash(files),
        values=values,
        schema=schema,
        late_hooks=b"post-install" in templates or b"post-upgrade" in templates,
    )


def _folder(path: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and not any(part.startswith(".git") for part in file.parts)
    }


def _archive(path: Path) -> dict[str, bytes]:
    """Files by name, without the folder that all of them are in."""
    with tarfile.open(path) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        contents = {}
        for member in members:
            handle = archive.extractfile(member)
            if handle is not None:
                contents[member.name.partition("/")[2]] = handle.read()
    return contents


def _hash(files: dict[str, bytes]) -> str:
    state = hashlib.sha256()
    for name in sorted(files):
        state.update(f"{len(name)} {name} {len(files[name])}\0".encode())
        state.update(files[name])
    return state.hexdigest()

"""A folder of DAG files as one archive, and what it holds: equal content, equal archive, on any machine.

It holds what the image would: the same files are left out (images/airflow/.dockerignore), and all that is in may be
run. What unpacks it is images/airflow/modules/aerodrome_dags.py.
"""

import fnmatch
import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cli.base.errors import UserError
from cli.base.paths import ROOT

_IGNORE = ROOT / "images" / "airflow" / ".dockerignore"
_ANYWHERE = "**/"

MOST_BYTES = 100 * 1024 * 1024
"""A task unpacks all of it before it begins."""


@dataclass(frozen=True)
class Archive:
    """A version of a folder."""

    version: str
    """The SHA-256 of the archive before it is compressed."""

    packed: bytes
    files: Mapping[str, str]
    """Each file, with the SHA-256 of its content."""


@dataclass(frozen=True)
class Changes:
    """What one version has that another has not."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def all(self) -> frozenset[str]:
        return frozenset((*self.added, *self.changed, *self.removed))

    def data(self) -> dict[str, list[str]]:
        return {
            "added": list(self.added),
            "changed": list(self.changed),
            "removed": list(self.removed),
        }


def pack(folder: Path, without: Collection[str] = ()) -> Archive:
    """`without` are folders in it to leave out. UserError if the folder holds what no version can."""
    plain = io.BytesIO()
    files: dict[str, str] = {}
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in _content(folder, set(without)):
            name = path.relative_to(folder).as_posix()
            entry = tarfile.TarInfo(name)
            # Owner, time and mode are those of no machine: they would make versions of equal files differ.
            entry.mode = 0o755
            content = None
            if path.is_symlink():
                entry.type, entry.linkname = tarfile.SYMTYPE, _target(folder, path)
                files[name] = hashlib.sha256(entry.linkname.encode()).hexdigest()
            elif path.is_dir():
                entry.type = tarfile.DIRTYPE
            elif path.is_file():
                content = _read(path)
                entry.size = len(content)
                files[name] = hashlib.sha256(content).hexdigest()
            else:
                raise UserError(f"{path} is neither a file nor a folder", "It cannot be published.")
            archive.addfile(entry, io.BytesIO(content) if content is not None else None)
            if plain.tell() > MOST_BYTES:
                raise UserError(
                    f"{folder} is too large to be published",
                    f"All files together have more than {MOST_BYTES // 1024 // 1024} MB, and each task unpacks them. "
                    "Data belongs into a bucket, packages into the image.",
                    "./aerodrome image add PACKAGE",
                )
    content = plain.getvalue()
    return Archive(hashlib.sha256(content).hexdigest(), gzip.compress(content, mtime=0), files)


def compare(new: Mapping[str, str], old: Mapping[str, str]) -> Changes:
    """What `new` changes of `old`: files with the hashes of their contents."""
    both = new.keys() & old.keys()
    return Changes(
        added=tuple(sorted(new.keys() - old.keys())),
        changed=tuple(sorted(name for name in both if new[name] != old[name])),
        removed=tuple(sorted(old.keys() - new.keys())),
    )


def _content(folder: Path, without: set[str]) -> Iterator[Path]:
    """Folders before what is in them, all in the order of their names."""
    ignored = _ignored()
    for path in sorted(folder.iterdir()):
        if path.name in without or any(fnmatch.fnmatchcase(path.name, one) for one in ignored):
            continue
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _content(path, set())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read", str(error.strerror)) from error


def _ignored() -> list[str]:
    """Patterns of names that no image gets, wherever they are."""
    lines = _IGNORE.read_text().splitlines()
    return [line.removeprefix(_ANYWHERE) for line in lines if line.startswith(_ANYWHERE)]


def _target(folder: Path, link: Path) -> str:
    target = os.readlink(link)  # noqa: PTH115 - as it is written
    where = PurePosixPath(os.path.normpath(link.relative_to(folder).parent / target))
    if PurePosixPath(target).is_absolute() or where.parts[:1] == ("..",):
        raise UserError(
            f"{link} links out of the folder",
            f"It leads to {target}, which Airflow's pods do not have.",
        )
    return target

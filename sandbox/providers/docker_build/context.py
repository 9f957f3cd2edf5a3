"""A hash of everything that a build can see: names, kinds, modes and contents, and its recipe.

Used by `provider.py` to know whether anything changed, without building. Times and owners do
not count: a fresh checkout of the same commit is the same context. Nor do empty folders, as for the
real provider.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

_IGNORE_FILES = (".containerignore", ".dockerignore")
_CHUNK = 1 << 20


def context_hash(folder: Path, file: Path | None, inline: str) -> str:
    """The hash of a context with its Containerfile (a file anywhere, or a text)."""
    state = hashlib.sha256()
    recipe = inline.encode() if file is None else file.read_bytes()
    state.update(f"recipe {len(recipe)}\0".encode())
    state.update(recipe)
    for path in files(folder):
        _add(state, folder, path)
    return state.hexdigest()


def files(folder: Path) -> Iterator[Path]:
    """Everything in `folder` that its ignore file lets through, in a fixed order."""
    ignored = Ignored(_patterns(folder))
    for root, folders, names in os.walk(folder):
        folders.sort()
        here = Path(root)
        for name in sorted([*names, *(f for f in folders if (here / f).is_symlink())]):
            if not ignored.matches((here / name).relative_to(folder).as_posix()):
                yield here / name


class Ignored:
    """The rules of an ignore file: the last one that matches a path decides."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._rules = [
            (not pattern.startswith("!"), _expression(pattern.removeprefix("!")))
            for pattern in patterns
        ]

    def matches(self, path: str) -> bool:
        """Whether `path`, or a folder that it is in, is left out."""
        parts = path.split("/")
        ways = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        left_out = False
        for leaves_out, expression in self._rules:
            if any(expression.fullmatch(way) for way in ways):
                left_out = leaves_out
        return left_out


def _patterns(folder: Path) -> list[str]:
    for name in _IGNORE_FILES:
        if (folder / name).is_file():
            lines = (line.strip() for line in (folder / name).read_text().splitlines())
            return [line for line in lines if line and not line.startswith("#")]
    return []


def _expression(pattern: str) -> re.Pattern[str]:
    """A pattern of Go's filepath.Match, with ** for any number of folders."""
    clean = pattern.strip().strip("/").removeprefix("./")
    written = ""
    index = 0
    while index < len(clean):
        rest = clean[index:]
        if rest.startswith("**/"):
            written, index = written + "(?:.*/)?", index + 3
        elif rest.startswith("**"):
            written, index = written + ".*", index + 2
        elif rest[0] == "*":
            written, index = written + "[^/]*", index + 1
        elif rest[0] == "?":
            written, index = written + "[^/]", index + 1
        elif rest[0] == "[" and "]" in rest:
            end = rest.index("]")
            written, index = written + rest[: end + 1], index + end + 1
        else:
            skipped = 1 if rest[0] == "\\" and len(rest) > 1 else 0
            written, index = written + re.escape(rest[skipped]), index + skipped + 1
    return re.compile(written)


def _add(state: "hashlib._Hash", folder: Path, path: Path) -> None:
    status = path.lstat()
    name = path.relative_to(folder).as_posix()
    state.update(f"{len(name)} {name} {stat.S_IFMT(status.st_mode):o}".encode())
    if path.is_symlink():
        state.update(f" {os.readlink(path)}\0".encode())  # noqa: PTH115
        return
    state.update(f" {stat.S_IMODE(status.st_mode):o} {status.st_size}\0".encode())
    if path.is_file():
        with path.open("rb") as handle:
            while chunk := handle.read(_CHUNK):
                state.update(chunk)

"""What a folder holds, as a short text: equal content, equal text. Standard library only."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent

# Left behind by Python, or there for people; none of it reaches a cluster. Hidden files do not either.
_IGNORED = frozenset({"__pycache__", "README.md"})

_LENGTH = 12


def content_hash(folder: Path) -> str:
    """12 hexadecimal digits of the names, run bits and content of the files of a chart."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in relative.parts)
        if hidden or _IGNORED.intersection(relative.parts) or not path.is_file():
            continue
        runnable = "x" if path.stat().st_mode & 0o100 else "-"
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{relative.as_posix()} {runnable} {content}\n".encode())
    return digest.hexdigest()[:_LENGTH]


def context_hash(folder: Path, *more: str) -> str:
    """12 hexadecimal digits of what a build of `folder` can see, and of what else decides what is built.

    The provider decides by a hash of the same, modes included, whether to build: this one has to change
    whenever that one does, or an image would be pushed again under a tag that cannot be overwritten.
    """
    digest = hashlib.sha256()
    for text in more:
        digest.update(f"{len(text)} {text}\n".encode())
    for path in _context(folder):
        status = path.lstat()
        # A link is what it says, wherever that leads.
        content = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()  # noqa: PTH115
        mode = stat.filemode(status.st_mode)
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name} {mode} {hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()[:_LENGTH]


def _context(folder: Path) -> Iterator[Path]:
    """The files of a build's context: those that .dockerignore lets through."""
    ignore = folder / ".dockerignore"
    rules = _rules(ignore.read_text().splitlines() if ignore.is_file() else ())
    for path in sorted(folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        left_out = False
        parts = path.relative_to(folder).parts
        # A rule that matches a folder matches all that is in it; the last rule that matches decides.
        ways = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        for leaves_out, rule in rules:
            if any(rule.fullmatch(way) for way in ways):
                left_out = leaves_out
        if not left_out:
            yield path


def _rules(lines: Sequence[str]) -> list[tuple[bool, re.Pattern[str]]]:
    """Of an ignore file: whether a rule leaves out or takes in again, and what it matches."""
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return [(not text.startswith("!"), _rule(text.removeprefix("!"))) for text in patterns]


_WILDCARDS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _rule(pattern: str) -> re.Pattern[str]:
    """Names, `*`, `?` and `**`. What else Docker knows is refused: it would be taken for a name."""
    if re.search(r"[\[\]\\]", pattern):
        raise ValueError(f".dockerignore: {pattern}: only names, *, ? and ** are understood")
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.strip("/"))
    return re.compile("".join(_WILDCARDS.get(piece, re.escape(piece)) for piece in pieces))

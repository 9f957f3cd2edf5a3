"""What a folder holds, as a short text: equal content, equal text. Standard library only."""

import hashlib
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent

# Left behind by Python, or there for people; none of it reaches an image or a cluster. Hidden files do
# not either (.dockerignore, caches).
_IGNORED = frozenset({"__pycache__", "README.md"})

_LENGTH = 12


def content_hash(folder: Path, without: str = "") -> str:
    """12 hexadecimal digits of the names, run bits and content of the files below `folder`, but for those
    in its folder `without`."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if without and relative.is_relative_to(without):
            continue
        hidden = any(part.startswith(".") for part in relative.parts)
        if hidden or _IGNORED.intersection(relative.parts) or not path.is_file():
            continue
        runnable = "x" if path.stat().st_mode & 0o100 else "-"
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{relative.as_posix()} {runnable} {content}\n".encode())
    return digest.hexdigest()[:_LENGTH]

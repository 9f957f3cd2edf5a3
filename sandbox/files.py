"""Files written whole: a reader, or the next start after a kill, never sees half of one."""

import json
import os
from pathlib import Path
from typing import Any


def write(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Put `content` at `path` at once, with no moment in which others could read a secret."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    part.rename(path)


def write_json(path: Path, value: Any, mode: int = 0o644) -> None:
    """Also for what upstream writes as YAML: JSON is YAML, and needs no library in PID 1."""
    write(path, json.dumps(value, indent=1) + "\n", mode)


def read_json(path: Path) -> Any:
    """None if there is no such file, or no JSON in it."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None

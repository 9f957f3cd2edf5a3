"""The state of a stack as the file that Pulumi's file backend keeps: read here, written by the CLI alone."""

import json
from pathlib import Path
from typing import Any

from cli.base.errors import UserError

PROJECT = "aerodrome"


def read(file: Path, stack: str) -> dict[str, Any]:
    """In the form of `pulumi stack export`. UserError if it is damaged, or another stack's."""
    _refuse_journal(file)
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return {"version": 3, "deployment": {}}
    except OSError as error:
        raise UserError(f"The state file {file} cannot be read", error.strerror or "") from error
    return parsed(content, str(file), stack)


def parsed(content: bytes, file: str, stack: str) -> dict[str, Any]:
    """The same, of a state that lies anywhere; `file` says where, for people."""
    try:
        document = json.loads(content)
        latest = document["checkpoint"].get("latest") or {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        before = f"{file.rpartition('/')[2]}.bak"
        raise UserError(
            f"The state file {file} is damaged",
            f"{error}\nPulumi keeps the one before the last change beside it, as {before}.",
        ) from error
    for resource in latest.get("resources") or ():
        _check_origin(file, str(resource.get("urn", "")), stack)
    return {"version": document["version"], "deployment": latest}


def _check_origin(file: str, urn: str, stack: str) -> None:
    parts = urn.split("::")
    if len(parts) < 4 or (parts[0], parts[1]) != (f"urn:pulumi:{stack}", PROJECT):
        raise UserError(
            f"The state file {file} belongs to another stack",
            f"It holds {urn}; this is {stack} of the project {PROJECT}.",
        )


def _refuse_journal(file: Path) -> None:
    """The engine that the kit once had kept the steps of an unfinished run beside the state."""
    journal = file.with_suffix(".journal")
    if journal.exists() and journal.stat().st_size:
        raise UserError(
            f"An older version of Aerodrome was interrupted in the middle of a step: {journal}",
            "What it had done is written there, in its own form. Let that version finish: check it out,\n"
            "run the same command, and come back.",
            "git log --oneline",
        )

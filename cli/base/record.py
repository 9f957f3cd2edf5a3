"""The record of a sandbox environment that outlives a run of the command line.

Which sandbox it was deployed on (a new sandbox has a new identity, and what a state file
says of the old one is no longer true), and the proof that it once worked.
"""

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from cli.base.environments import Environment


@dataclass(frozen=True)
class Record:
    """One environment's."""

    sandbox: str
    identity: str = ""
    """Of the sandbox's life: `cli.cloud.sandbox.identity`."""

    proof: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, environment: Environment) -> Self | None:
        """None if there is none, or one that a crash of the machine left unreadable."""
        try:
            data = json.loads(environment.record_file.read_text())
            return cls(data["sandbox"], data["identity"], data["proof"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, environment: Environment) -> None:
        write_atomically(environment.record_file, json.dumps(asdict(self), indent=2) + "\n")

    def proved(self, proof: dict[str, Any]) -> Self:
        return replace(self, proof=proof)


def on_sandbox(folder: Path, sandbox: str) -> list[str]:
    """Names of the environments that were deployed on a sandbox."""
    names = []
    for file in sorted(folder.glob("*.json")):
        record = Record.read(Environment(file.stem))
        if record is not None and record.sandbox == sandbox:
            names.append(file.stem)
    return names


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """`path` has the old text or the new one, whatever happens; never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise

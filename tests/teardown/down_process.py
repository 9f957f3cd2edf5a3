"""`aerodrome down` as a process of its own, on the emulator: what the tests kill.

python -m tests.teardown.down_process FOLDER ENVIRONMENT [MOMENT]

With a moment it kills itself as soon as it has told of that: whoever reads what it tells is too late on a busy machine.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, TextIO

import boto3

from cli.app import app
from tests.teardown.kit import Sandboxed


class Deadly:
    """A stream that ends its process at a moment: a step that begins (`cloud`), or the first words of an indented line."""

    def __init__(self, stream: TextIO, moment: str) -> None:
        self._stream = stream
        self._moment = moment
        self._line = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        written = self._stream.write(text)
        *lines, self._line = (self._line + text).split("\n")
        if any(self._is_it(line) for line in lines):
            self._stream.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        return written

    def _is_it(self, line: str) -> bool:
        name = line.partition("] ")[2].strip() if line.startswith("[") else line.rstrip()
        return name == self._moment or (
            self._moment.startswith(" ") and name.startswith(self._moment)
        )


def main(folder: Path, environment: str) -> None:
    place = json.loads((folder / "emulator.json").read_text())
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = boto3.client(service, **place)
        return made[service]

    session = Sandboxed(folder, client)
    app(["down", "--env", environment, "--keep-sandbox"], obj=session)


if __name__ == "__main__":
    if sys.argv[3:]:
        sys.stderr = Deadly(sys.stderr, sys.argv[3])  # type: ignore[assignment]
    main(Path(sys.argv[1]), sys.argv[2])

"""`aerodrome down` as a process of its own, on the emulator: what the tests kill.

python -m tests.teardown.down_process FOLDER ENVIRONMENT
"""

import json
import sys
from pathlib import Path
from typing import Any

import boto3

from cli.app import app
from tests.teardown.kit import Sandboxed


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
    main(Path(sys.argv[1]), sys.argv[2])

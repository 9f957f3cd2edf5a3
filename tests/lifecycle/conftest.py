"""A stack in a temporary folder, whose cloud is a file: what every test here works on."""

import json
import os
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.engine import operations
from sandbox.engine.applying.events import Event
from sandbox.engine.model.resource import State
from sandbox.engine.state.snapshot import problems

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PASSPHRASE = "correct horse"


class Stack:
    """One stack: write its program, run operations on it, look at its cloud and state."""

    def __init__(self, folder: Path, project: str = "shop", name: str = "dev") -> None:
        self.folder = folder
        self.state_dir = folder / "state"
        self.project_dir = folder / project
        self.cloud_file = folder / "cloud.json"
        self.log_file = folder / "calls.jsonl"
        self.faults_file = folder / "faults.json"
        self.events: list[Event] = []
        (self.project_dir).mkdir()
        (self.project_dir / "Pulumi.yaml").write_text(f"name: {project}\nruntime: python\n")
        self.request = operations.Request(
            project_dir=self.project_dir,
            stack=name,
            state_dir=self.state_dir,
            environment=self.environment(),
            plugin_dirs=[HERE / "plugins"],
        )

    def environment(self) -> dict[str, str]:
        return {
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            # Two programs written within a second, of the same length: Python would take the
            # compiled form of the first for the second.
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{HERE / 'sdk'}{os.pathsep}{ROOT}",
            "FAKE_PYTHON": sys.executable,
            "FAKE_CLOUD": str(self.cloud_file),
            "FAKE_FAULTS": str(self.faults_file),
            "FAKE_LOG": str(self.log_file),
        }

    def program(self, text: str) -> None:
        """The program from now on; `pulumi` and `Thing` are imported already."""
        head = "import pulumi\nfrom fake import *\nfrom pulumi import ResourceOptions as O\n"
        (self.project_dir / "__main__.py").write_text(head + textwrap.dedent(text))

    def configure(self, **changes: Any) -> None:
        """Change the request of all further operations."""
        self.request = replace(self.request, **changes)

    def preview(self, **changes: Any) -> operations.Result:
        self.events.clear()
        return operations.preview(replace(self.request, **changes), self.events.append)

    def up(self, program: str | None = None, *, skip_preview: bool = True, **changes: Any):
        """Most tests are about the update itself, so the preview before it is left out."""
        if program is not None:
            self.program(program)
        self.events.clear()
        request = replace(self.request, **changes)
        result = operations.up(request, self.events.append, skip_preview=skip_preview)
        self.verify()
        return result

    def destroy(self, **changes: Any) -> operations.Result:
        self.events.clear()
        result = operations.destroy(replace(self.request, **changes), self.events.append)
        self.verify()
        return result

    def refresh(self) -> operations.Result:
        self.events.clear()
        result = operations.refresh(self.request, self.events.append)
        self.verify()
        return result

    def resources(self) -> list[State]:
        return operations.resources(self.request)

    def resource(self, name: str) -> State:
        return next(s for s in self.resources() if s.urn.endswith(f"::{name}"))

    def names(self) -> list[str]:
        """Of the program's own custom resources in the state."""
        return sorted(
            s.urn.rpartition("::")[2] for s in self.resources() if s.type == "fake:index:Thing"
        )

    def cloud(self) -> Mapping[str, Any]:
        return json.loads(self.cloud_file.read_text()) if self.cloud_file.exists() else {}

    def change_cloud(self, change: Any) -> None:
        things = json.loads(self.cloud_file.read_text())
        change(things)
        self.cloud_file.write_text(json.dumps(things))

    def faults(self, **faults: str) -> None:
        """`faults(create_a="fail")`: the operation, the name, what happens."""
        self.faults_file.write_text(
            json.dumps({key.replace("_", " ", 1): value for key, value in faults.items()})
        )

    def calls(self, *operations_: str) -> list[str]:
        """`create a`, ... in their order; only of these operations, if any are named."""
        if not self.log_file.exists():
            return []
        records = [json.loads(line) for line in self.log_file.read_text().splitlines()]
        return [
            f"{record['operation']} {record['name']}"
            for record in records
            if not operations_ or record["operation"] in operations_
        ]

    def call_records(self, operation: str) -> list[dict[str, Any]]:
        records = [json.loads(line) for line in self.log_file.read_text().splitlines()]
        return [record for record in records if record["operation"] == operation]

    def forget_calls(self) -> None:
        self.log_file.unlink(missing_ok=True)

    def document(self) -> dict[str, Any]:
        path = self.state_dir / ".pulumi" / "stacks" / "shop" / "dev.json"
        return json.loads(path.read_text())

    def all_state_text(self) -> str:
        """Everything that lies in the state folder, as one text."""
        files = [path for path in self.state_dir.rglob("*") if path.is_file()]
        return "\n".join(path.read_text() for path in files)

    def verify(self) -> None:
        assert problems(self.resources()) == []


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path)

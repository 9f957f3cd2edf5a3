"""Processes of the image's Airflow that share one import of it, which takes longer than all that they do."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.unit.images import airflow_database
from tests.unit.images.airflow_database import Database, Databases
from tests.unit.images.loading import SCRIPTS

SERVER = Path(__file__).with_name("fork_server.py")


@dataclass(frozen=True)
class Forks:
    process: "subprocess.Popen[str]"
    folder: Path

    def script(
        self, database: Database, name: str, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """As `Database.run` runs a script of the image."""
        return self._run(database, more, script=str(SCRIPTS / f"{name}.py"))

    def code(
        self, database: Database, code: str, *arguments: str, **more: str
    ) -> subprocess.CompletedProcess[str]:
        return self._run(database, more, *arguments, code=code)

    def _run(
        self,
        database: Database,
        more: dict[str, str],
        *arguments: str,
        script: str = "",
        code: str = "",
    ) -> subprocess.CompletedProcess[str]:
        out, err = self.folder / "out", self.folder / "err"
        asked = {
            "env": {**database.settings, **more},
            "script": script,
            "code": code,
            "arguments": arguments,
            "stdout": str(out),
            "stderr": str(err),
        }
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        status = int(self.process.stdout.readline())
        return subprocess.CompletedProcess(
            [script or code, *arguments], status, out.read_text(), err.read_text()
        )


@contextmanager
def running(databases: Databases, *modules: str) -> Iterator[Forks]:
    """With these modules imported."""
    template = Database(databases.server, airflow_database.TEMPLATE, databases.home)
    with TemporaryDirectory(prefix="forks-") as folder:
        process = subprocess.Popen(
            [airflow_database.python(), str(SERVER), *modules],
            env=template.settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            yield Forks(process, Path(folder))

"""A build agent: the pipeline's scripts, GitHub's command as a stand-in, and an `aerodrome` that only
notes how it was called and says what a test wants it to say. And an account with the pipeline's roles."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.cloud import BASE, DEPLOY, LOGS, Account
from tests.pipeline.steps import ROOT, Done, run_job
from tests.program.recording import SECRETS, Program, run_program
from tests.unit.sandbox.aws.conftest import new_emulator, registry

__all__ = ["registry"]

UP = {"environment": "dev-fix-login-ab12cd", "url": "", "expires": "2027-02-03", "branch": "x"}
AERODROME = """#!/bin/sh
printf '%s\\n' "$*" >>"$FAKE_CALLS"
verb=$1
[ ! -f "$FAKE_SAYS/$verb.err" ] || cat "$FAKE_SAYS/$verb.err" >&2
[ ! -f "$FAKE_SAYS/$verb.out" ] || cat "$FAKE_SAYS/$verb.out"
[ ! -f "$FAKE_SAYS/$verb.code" ] || exit "$(cat "$FAKE_SAYS/$verb.code")"
"""


@dataclass
class Agent:
    """One machine of a CI, with a checkout."""

    folder: Path
    branch: str = "fix/login"
    variables: dict[str, str] = field(
        default_factory=lambda: {
            "vars.AERODROME_BASE": "dev",
            "vars.AERODROME_BACKEND": "s3://aerodrome-state-1-eu-central-1?region=eu-central-1",
        }
    )

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    def says(self, verb: str, out: str = "", err: str = "", code: int = 0) -> None:
        """What `./aerodrome VERB` will say."""
        for suffix, text in (("out", out), ("err", err), ("code", str(code))):
            (self.folder / "says" / f"{verb}.{suffix}").write_text(text)

    def run(self, workflow: str, job: str) -> list[Done]:
        """The shell steps of a job."""
        table = {
            **self.variables,
            "github.head_ref": self.branch,
            "github.token": "token",
            "github.event.pull_request.number": "7",
        }
        return run_job(workflow, job, table, self.environ(), self.checkout)

    def environ(self) -> dict[str, str]:
        return {
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "RUNNER_TEMP": str(self.folder / "tmp"),
            "TMPDIR": str(self.folder / "tmp"),
            "GITHUB_REPOSITORY": "team/airflow",
            "FAKE_GH": str(self.folder / "comments.json"),
            "FAKE_CALLS": str(self.folder / "calls"),
            "FAKE_SAYS": str(self.folder / "says"),
        }

    @property
    def calls(self) -> list[str]:
        """How `./aerodrome` was called."""
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def comments(self) -> list[dict[str, Any]]:
        file = self.folder / "comments.json"
        found: list[dict[str, Any]] = json.loads(file.read_text()) if file.exists() else []
        return found


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    ready = Agent(tmp_path)
    for name in ("bin", "tmp", "says", "checkout/.venv/bin", "checkout/.ci"):
        (tmp_path / name).mkdir(parents=True)
    shutil.copytree(ROOT / ".ci" / "pipeline", ready.checkout / ".ci" / "pipeline")
    script(ready.checkout / "aerodrome", AERODROME)
    gh = Path(__file__).with_name("fake_gh.py")
    script(tmp_path / "bin" / "gh", f'#!/bin/sh\nexec "{sys.executable}" "{gh}" "$@"\n')
    # The Python environment is there; what is installed into it is only noted.
    python = '#!/bin/sh\n[ "$2" != pip ] || { echo "$*" >>"$FAKE_CALLS"; exit 0; }\n'
    script(ready.checkout / ".venv/bin/python", f'{python}exec "{sys.executable}" "$@"\n')
    ready.says("preview", "would do: 12 create\n", "  + aws:s3/bucket:Bucket logs create\n")
    ready.says("cost", "### What `dev-fix-login-ab12cd` costs on AWS\n\n| total | 0.00 |\n")
    ready.says("up", json.dumps(UP))
    return ready


def script(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o755)
    os.utime(file)


@pytest.fixture(scope="session")
def base_program() -> Program:
    """The base's program, told of the role by bootstrap."""
    return run_program({"environment": BASE, "deployRole": DEPLOY}, SECRETS)


@pytest.fixture(scope="session")
def account(
    base_program: Program, registry: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Account]:
    emulator = new_emulator(tmp_path_factory.mktemp("aws"), registry)
    ready = Account(emulator, registry)
    policy = base_program.one("aws:iam/policy:Policy", "-branches").inputs["policy"]
    ready.prepare(policy.replace(f"aerodrome-{BASE}-logs", LOGS))
    yield ready
    emulator.kill()
    emulator.kubernetes.server.shutdown()

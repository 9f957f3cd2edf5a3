"""The lock that Pulumi's own CLI leaves in a bucket when it is killed: with the real CLI, on the emulator's S3.

Skipped where no `pulumi` is on the PATH.
"""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cli.automation import PulumiBackend
from cli.environments import Environment
from sandbox.errors import KitError
from tests.unit.sandbox.aws.conftest import Emulator, new_emulator

pytestmark = pytest.mark.skipif(
    shutil.which("pulumi") is None, reason="the Pulumi CLI is not on the PATH"
)

BUCKET = "stacks"
PROGRAM = """
import os, time
import pulumi
while os.path.exists(os.environ.get("BUSY", "")):
    time.sleep(0.2)
pulumi.export("rung", "dedicated")
"""
SECONDS = 60.0


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = new_emulator(tmp_path_factory.mktemp("aws"))
    running.client("s3").create_bucket(Bucket=BUCKET)
    yield running
    running.kill()
    running.kubernetes.server.shutdown()


@pytest.fixture
def project(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program whose stacks are in the bucket; all that finds them is in the environment."""
    root = json.loads(emulator.settings.credentials.read_text())
    place = f"127.0.0.1:{emulator.settings.port}"
    options = f"endpoint={place}&disableSSL=true&s3ForcePathStyle=true&region=us-east-1"
    for name, value in {
        "AWS_ACCESS_KEY_ID": root["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": root["secret_access_key"],
        "PULUMI_BACKEND_URL": f"s3://{BUCKET}?{options}",
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_CONFIG_PASSPHRASE": "of the tests",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "project"
    folder.mkdir()
    runtime = {"name": "python", "options": {"virtualenv": str(Path(sys.prefix))}}
    (folder / "Pulumi.yaml").write_text(json.dumps({"name": "aerodrome", "runtime": runtime}))
    (folder / "__main__.py").write_text(PROGRAM)
    return folder


@pytest.fixture
def backend(project: Path) -> PulumiBackend:
    made = PulumiBackend(Environment("dev"), project)
    made.create("passphrase")
    return made


Work = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def work(project: Path, emulator: Emulator, tmp_path: Path) -> Iterator[Work]:
    """Begins something with the CLI that lasts, and has a lock."""
    busy = tmp_path / "busy"
    busy.touch()
    hosts: set[int] = set()
    begun: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            ["pulumi", *arguments, "--yes", "--skip-preview", "--stack", "dev"],
            cwd=project,
            env=os.environ | {"BUSY": str(busy)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        begun.append(process)
        give_up = time.monotonic() + SECONDS
        while not _locks(emulator):
            assert process.poll() is None and time.monotonic() < give_up, "it has no lock"
            time.sleep(0.2)
        children = Path("/proc", str(process.pid), "task").glob("*/children")
        hosts.update(int(pid) for file in children for pid in file.read_text().split())
        return process

    yield begin
    # Program and language host outlive a killed CLI, the latter for minutes.
    busy.unlink()
    for process in begun:
        process.kill()
        process.wait()
    for host in hosts:
        with suppress(ProcessLookupError):
            os.kill(host, signal.SIGKILL)


def _locks(emulator: Emulator) -> list[str]:
    found = emulator.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=".pulumi/locks/")
    return [item["Key"] for item in found.get("Contents", ()) if item["Key"].endswith(".json")]


@pytest.mark.parametrize("verb", ["up", "destroy"])
def test_a_dead_ones_lock_is_told_and_removed_and_a_living_ones_is_not(
    emulator: Emulator, backend: PulumiBackend, work: Work, verb: str
) -> None:
    if verb == "destroy":
        backend.up(io.StringIO())
    process = work(verb, *(["--run-program"] if verb == "destroy" else []))
    with pytest.raises(KitError) as refused:
        getattr(backend, verb)(io.StringIO())
    assert "the stack is currently locked by 1 lock(s)" in refused.value.detail
    assert f"(pid {process.pid})" in refused.value.detail
    assert len(_locks(emulator)) == 1

    process.kill()
    process.wait()
    assert len(_locks(emulator)) == 1, "a killed CLI leaves its lock behind"
    shown = io.StringIO()
    done = getattr(backend, verb)(shown)
    assert f"the stack was locked by process {process.pid} of " in shown.getvalue()
    assert ", which is gone: unlocked\n" in shown.getvalue()
    assert done.changed == 1
    assert _locks(emulator) == []
    if verb == "up":
        assert backend.destroy(io.StringIO()).changed == 1
    backend.remove(config=True)

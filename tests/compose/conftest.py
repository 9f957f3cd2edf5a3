"""Airflow as a compose file runs it: written by the command line, started by Docker's compose on Podman."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox import tools
from tests.compose import images
from tests.compose.podman import Podman
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]


def write(folder: Path, *options: str) -> dict[str, Any]:
    """What `aerodrome compose --json` says of the folder that it writes."""
    done = subprocess.run(
        [ROOT / "aerodrome", "compose", "--env", "sandbox", "--output", folder, *options, "--json"],
        env={**os.environ, "AERODROME_STATE": str(folder.parent / "state")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def docker_compose(folder: Path, *words: str, **variables: str) -> str:
    """What Docker's own compose says to the folder's file."""
    done = subprocess.run(
        [tools.docker_compose(), *words],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode == 0, f"docker compose {words}: {done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Running:
    """Airflow, from what was written to what runs."""

    folder: Path
    report: dict[str, Any]
    podman: Podman

    @property
    def password(self) -> str:
        return (self.folder / "secrets" / "admin-password").read_text()

    def compose(self, *words: str) -> str:
        return docker_compose(self.folder, *words, DOCKER_HOST=f"unix://{self.podman.socket}")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    if os.geteuid() != 0:
        pytest.skip("containers with networks of their own need root")
    base = tmp_path_factory.mktemp("compose")
    folder = base / "airflow"
    ports = ("--ui-port", str(free_port()), "--flower-port", str(free_port()))
    report = write(folder, *ports)
    (base / "podman").mkdir()
    podman = Podman(base / "podman")
    try:
        with images.base_registry(base):
            images.build(podman, "sandbox")
        with podman.serving():
            airflow = Running(folder, report, podman)
            airflow.compose("up", "--detach", "--no-build", "--wait")
            yield airflow
    finally:
        podman.remove()

"""A real registry on loopback, and a store of its own for buildah."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import tools
from sandbox.errors import UserError
from sandbox.providers.docker_build.registry import ADDRESS_VARIABLE
from tests.ports import free_port

START_SECONDS = 30


@pytest.fixture(scope="session")
def registry_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HOST:PORT of a registry that lives as long as the tests."""
    try:
        program = tools.tool("docker-registry")
    except UserError:
        pytest.skip("set-up has not been run")
    folder = tmp_path_factory.mktemp("registry")
    port = free_port()
    settings = folder / "config.yaml"
    settings.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([program, "serve", settings], stdout=log, stderr=log)
    try:
        _wait(port)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _wait(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail("the registry did not start")


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tests' layers are kept."""
    if os.geteuid() != 0 or not shutil.which("buildah"):
        pytest.skip("builds need root and buildah")
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def sandbox(registry_address: str, store: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a sandbox tells its providers."""
    monkeypatch.setenv("AERODROME_CACHE", str(store))
    monkeypatch.setenv(ADDRESS_VARIABLE, registry_address)
    monkeypatch.delenv("CONTAINERS_REGISTRIES_CONF", raising=False)
    return registry_address

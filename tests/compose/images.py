"""The kit's images in Podman's store: built as for a sandbox, layers from the same cache."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from sandbox import tools
from sandbox.providers.docker_build.buildah import Buildah
from sandbox.providers.docker_build.specification import build_of
from sandbox.registry import images as base_images
from tests.compose.podman import Podman
from tests.ports import free_port

IMAGES = Path(__file__).resolve().parents[2] / "images"

VARIABLE = "CONTAINERS_REGISTRIES_CONF"


@contextmanager
def base_registry(folder: Path) -> Iterator[None]:
    """A registry with the Debian base, under the name that the Containerfiles give it."""
    base_images.add_images(folder / "registry")
    port = free_port()
    settings = folder / "registry.yaml"
    settings.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/registry}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    names = folder / "registries.conf"
    names.write_text(
        'short-name-mode = "disabled"\n[[registry]]\nprefix = "docker.io"\n'
        f'location = "127.0.0.1:{port}"\ninsecure = true\n'
    )
    before = os.environ.get(VARIABLE)
    with (folder / "registry.log").open("w") as log:
        command = [str(tools.tool("docker-registry")), "serve", str(settings)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}/v2/")
        os.environ[VARIABLE] = str(names)
        yield
    finally:
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before
        process.terminate()
        process.wait(30)


def _wait(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            httpx.get(url)
            return
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def build(podman: Podman, environment: str) -> None:
    """The three images, under the names that the compose file has for them."""
    builder = Buildah(threading.Event())
    store = f"containers-storage:[overlay@{podman.store}+{podman.run_root}]"
    for name in ("airflow", "postgres", "redis"):
        wanted = build_of({"context": {"location": str(IMAGES / name)}})
        builder.export(name, wanted, f"{store}localhost/aerodrome/{name}:{environment}")

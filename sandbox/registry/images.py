"""The images that the registry has from the start: the Debian base, and Kubernetes' pause.

The registry of a sandbox is its own and goes with it, like the repositories of a cloud
account: nothing that another sandbox pushed can be pulled here by accident. What is common
to all, the two images below, is linked in from the cache and costs neither time nor space.
"""

import io
import platform
import tarfile
from pathlib import Path

from sandbox.registry.storage import Storage
from sandbox.tools import base_image_tar, tool

PAUSE = "registry.k8s.io/pause:3.10"
BASE = "docker.io/library/debian:bookworm-slim"

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def add_images(folder: Path) -> None:
    """Put both into the storage of a registry that does not run yet."""
    storage = Storage(folder)
    base = _config({"Cmd": ["bash"], "Env": [_PATH]})
    storage.add_image("library/debian", "bookworm-slim", base_image_tar(), base)
    pause = _config({"Entrypoint": ["/pause"], "User": "65535:65535"})
    layer = _pause_layer(tool("pause").read_bytes())
    storage.add_image("pause", "3.10", layer, pause)


def _config(container: dict[str, object]) -> dict[str, object]:
    architecture = _MACHINES.get(platform.machine(), platform.machine())
    return {"architecture": architecture, "os": "linux", "config": container}


def _pause_layer(program: bytes) -> bytes:
    """A tar with one program; the same bytes every time, so the same digest."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        entry = tarfile.TarInfo("pause")
        entry.size = len(program)
        entry.mode = 0o755
        tar.addfile(entry, io.BytesIO(program))
    return output.getvalue()

"""A port of this machine that leads to an environment's Kubernetes API, and a kubeconfig for it."""

import errno
import json
import os
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cli.base.errors import KitError, UserError
from cli.base.values import need
from cli.cloud.tunnel.listeners import LOOPBACK, Port
from cli.cloud.tunnel.way import Way
from cli.operations.live import Live
from infra.contract.outputs import Outputs


@dataclass(frozen=True)
class Opened:
    """The way, as long as it is open."""

    environment: str
    server: str
    host: str
    kubeconfig: str

    def data(self) -> dict[str, str]:
        return asdict(self)


@contextmanager
def opened(found: Live, port: int, kubeconfig: Path | None) -> Iterator[Opened]:
    """The way while the block lasts. It is tried once first: UserError or KitError says what is in it."""
    name = found.environment.name
    if found.cloud.keeps_kubernetes:
        raise UserError(
            f'The Kubernetes API of "{name}" is on this machine',
            "It needs no way: its sandbox has a kubeconfig.",
            "./aerodrome sandbox env",
        )
    if kubeconfig is not None and kubeconfig.exists():
        raise UserError(
            f"{kubeconfig} is there already",
            "The kubeconfig is removed when the command ends; a file that is yours is not written over.",
            f"./aerodrome tunnel --env {name} --kubeconfig {shlex.quote(f'{kubeconfig}.new')}",
        )
    content = json.loads(need(found.outputs, Outputs.kubeconfig))
    cluster = content["clusters"][0]["cluster"]
    place = urlsplit(cluster["server"])
    host = place.hostname or ""
    found.kubernetes.text("/version")
    way = found.session.way(found.environment).way()
    listener = _listener(found, way, host, place.port or 443, port)
    try:
        cluster["server"] = f"https://{LOOPBACK}:{listener.port}"
        cluster["tls-server-name"] = host
        cluster.pop("proxy-url", None)
        with _written(json.dumps(content), kubeconfig) as file:
            yield Opened(name, cluster["server"], host, str(file))
    finally:
        listener.close()


def _listener(found: Live, way: Way, host: str, remote: int, port: int) -> Port:
    try:
        return Port(way, host, remote, found.session.console.report, local=port)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise UserError(
            f"Port {port} cannot be had: {os.strerror(error.errno)}",
            "Another program listens on it, or it is reserved. Without --port a free one is taken.",
            f"./aerodrome tunnel --env {found.environment.name}",
        ) from error


@contextmanager
def _written(text: str, file: Path | None) -> Iterator[Path]:
    """A file with the kubeconfig, for nobody else, which goes with the block."""
    if file is None:
        with tempfile.NamedTemporaryFile("w", prefix="aerodrome-kubeconfig-") as temporary:
            temporary.write(text)
            temporary.flush()
            yield Path(temporary.name)
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise KitError(f"{file} cannot be written", error.strerror or "") from error
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
        yield file.resolve()
    finally:
        file.unlink(missing_ok=True)

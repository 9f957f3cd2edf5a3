"""Runs the helm program. Credentials and values go through memory, never the command line or disk.

Used by `release.py`.
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sandbox.errors import CloudError, UserError
from sandbox.instance import cache_dir
from sandbox.providers.kubernetes.kubeconfig import Connection

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 5.0


class HelmError(CloudError):
    """helm ended with an error; `detail` is what it wrote."""


class Helm:
    """The helm program on one cluster. Safe across threads."""

    def __init__(self, connection: Connection, token: str, cancelled: threading.Event) -> None:
        self._kubeconfig = json.dumps(_kubeconfig(connection, token)).encode()
        self._cancelled = cancelled

    def run(self, arguments: Sequence[str], values: dict[str, Any] | None = None) -> str:
        """What `helm ARGUMENTS` prints. `values`, if given, is passed as `--values`."""
        command = [*_program(), *arguments]
        kubeconfig = _in_memory("kubeconfig", self._kubeconfig)
        handles = [kubeconfig]
        command += ["--kubeconfig", f"/proc/self/fd/{kubeconfig}"]
        if values is not None:
            handle = _in_memory("values", json.dumps(values).encode())
            handles.append(handle)
            command += ["--values", f"/proc/self/fd/{handle}"]
        try:
            process = subprocess.Popen(
                command,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=handles,
                start_new_session=True,
                text=True,
            )
        finally:
            for handle in handles:
                os.close(handle)
        output, errors = self._finish(process)
        if process.returncode != 0:
            text = _readable(errors) or f"It ended with code {process.returncode}."
            raise HelmError(f"helm {arguments[0]} failed", text, operation=f"helm {arguments[0]}")
        return output

    def _finish(self, process: subprocess.Popen[str]) -> tuple[str, str]:
        while True:
            try:
                return process.communicate(timeout=_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if self._cancelled.is_set():
                    break
        # Helm marks a release as failed when it is asked to end; killed, it could not.
        os.killpg(process.pid, signal.SIGTERM)
        try:
            return process.communicate(timeout=_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.communicate()


def _program() -> list[str]:
    helm = shutil.which("helm")
    if helm is None:
        raise UserError("The helm program is not on the PATH", "Releases are installed with it.")
    # A provider that is killed must not leave a helm behind that goes on changing things.
    guard = shutil.which("setpriv")
    return [guard, "--pdeathsig", "KILL", helm] if guard else [helm]


def _environment() -> dict[str, str]:
    """The environment without anything of Helm's or kubectl's that the user may have set."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HELM_")}
    kept.pop("KUBECONFIG", None)
    folder: Path = cache_dir() / "helm"
    for kind in ("CACHE", "CONFIG", "DATA"):
        kept[f"HELM_{kind}_HOME"] = str(folder / kind.lower())
    return kept


def _in_memory(name: str, content: bytes) -> int:
    """A descriptor of an unnamed file that vanishes with the last process that has it."""
    handle = os.memfd_create(name, 0)
    os.fchmod(handle, 0o600)
    os.write(handle, content)
    return handle


def _kubeconfig(connection: Connection, token: str) -> dict[str, Any]:
    cluster: dict[str, Any] = {"server": connection.server}
    if connection.insecure:
        cluster["insecure-skip-tls-verify"] = True
    elif connection.ca:
        cluster["certificate-authority-data"] = _encoded(connection.ca)
    if connection.tls_server_name:
        cluster["tls-server-name"] = connection.tls_server_name
    user: dict[str, Any] = {"token": token} if token else {}
    if connection.client_certificate:
        user["client-certificate-data"] = _encoded(connection.client_certificate)
        user["client-key-data"] = _encoded(connection.client_key)
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "sandbox", "cluster": cluster}],
        "users": [{"name": "sandbox", "user": user}],
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox"}}],
        "current-context": "sandbox",
    }


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _readable(errors: str) -> str:
    lines = [line for line in errors.splitlines() if not line.startswith(("WARNING:", "walk.go"))]
    return "\n".join(lines).removeprefix("Error: ").strip()

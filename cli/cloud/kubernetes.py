"""Kubernetes as the verbs need it, through `kubectl`: what is there, what it logs, taking it away.

A subprocess and JSON, no client library: the cluster's own login (on EKS `aws eks get-token`) and
its certificates are kubectl's business. It knows neither environments nor stacks: whoever makes a
`Kubectl` says which kubeconfig, which namespace and which program.
"""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.base.errors import KitError, UserError

SECONDS = 30.0
"""How long one call may take, if the caller knows no better."""

_UNREACHABLE = (
    "unable to connect to the server",
    "the connection to the server",
    "i/o timeout",
    "no such host",
    "no route to host",
    "connection refused",
    "tls handshake timeout",
    "context deadline exceeded",
    "client.timeout exceeded",
)


class Unreachable(KitError):
    """The cluster does not answer: nothing is known of what is in it."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl, on one cluster and by default in one namespace."""

    kubeconfig: Path | str = field(repr=False)
    """A file, or the text of one (a stack's output), which is written down only while kubectl runs."""

    namespace: str = "default"
    program: Path | str = "kubectl"
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Added to this process's own: what the kubeconfig's login needs."""

    def find(
        self, kind: str, name: str, *, namespace: str | None = None, seconds: float = SECONDS
    ) -> dict[str, Any] | None:
        """One object; None if it is not there."""
        text = self.run(
            *("get", kind, name, "--ignore-not-found", "--output=json"),
            namespace=namespace,
            seconds=seconds,
        )
        found: dict[str, Any] | None = json.loads(text) if text.strip() else None
        return found

    def objects(
        self,
        kind: str,
        *,
        selector: str = "",
        namespace: str | None = None,
        everywhere: bool = False,
        seconds: float = SECONDS,
    ) -> list[dict[str, Any]]:
        """The objects of a kind (or of several: `pods,jobs`) in one namespace or `everywhere`."""
        arguments = ["get", kind, "--output=json", *_option("selector", selector)]
        if everywhere:
            arguments.append("--all-namespaces")
        text = self.run(*arguments, namespace=namespace, seconds=seconds)
        items: list[dict[str, Any]] = json.loads(text)["items"]
        return items

    def delete(
        self,
        kind: str,
        name: str = "",
        *,
        selector: str = "",
        namespace: str | None = None,
        wait: bool = True,
        seconds: float = SECONDS,
    ) -> list[str]:
        """What was deleted, as `kind/name`. Nothing to delete is no failure.

        By name, by selector, or all of the kind in the namespace. With `wait` it returns when the
        objects are gone; KitError if a finalizer holds one for longer than `seconds`.
        """
        what = [name] if name else [] if selector else ["--all"]
        text = self.run(
            *("delete", kind, *what, *_option("selector", selector)),
            *("--ignore-not-found", "--output=name", f"--wait={str(wait).lower()}"),
            namespace=namespace,
            seconds=seconds,
        )
        return text.split()

    def wait(
        self,
        condition: str,
        kind: str,
        name: str = "",
        *,
        selector: str = "",
        namespace: str | None = None,
        seconds: float = SECONDS,
    ) -> bool:
        """Whether `condition` (`delete`, `condition=Ready`, `jsonpath=...`) came true within `seconds`.

        Nothing to wait for is true for `delete`, and false for anything else.
        """
        what = [name] if name else [] if selector else ["--all"]
        try:
            self.run(
                *("wait", kind, *what, *_option("selector", selector)),
                *(f"--for={condition}", f"--timeout={max(1, round(seconds))}s"),
                namespace=namespace,
                # kubectl ends by itself; this is only for the one that hangs.
                seconds=seconds + SECONDS,
            )
        except Unreachable:
            raise
        except KitError as error:
            absent = "not found" in error.detail or "no matching resources" in error.detail
            if absent or "timed out waiting" in error.detail:
                return absent and condition == "delete"
            raise
        return True

    def patch(
        self,
        kind: str,
        name: str,
        change: Mapping[str, Any],
        *,
        namespace: str | None = None,
        seconds: float = SECONDS,
    ) -> None:
        """Merges `change` into one object. It is seen in the list of processes: no secrets."""
        self.run(
            *("patch", kind, name, "--type=merge", f"--patch={json.dumps(change)}"),
            namespace=namespace,
            seconds=seconds,
        )

    def scale(
        self,
        kind: str,
        name: str = "",
        *,
        replicas: int,
        selector: str = "",
        namespace: str | None = None,
        seconds: float = SECONDS,
    ) -> None:
        """Sets the number of pods of one workload, of those selected, or of all of its kind; of none is no failure."""
        what = [name] if name else [] if selector else ["--all"]
        try:
            self.run(
                *("scale", kind, *what, *_option("selector", selector), f"--replicas={replicas}"),
                namespace=namespace,
                seconds=seconds,
            )
        except KitError as error:
            if "no objects passed to scale" not in error.detail:
                raise

    def logs(self, selector: str, *, lines: int, seconds: float = SECONDS) -> list[str]:
        """The last lines of every container of the pods selected."""
        text = self.run(
            *("logs", f"--selector={selector}", f"--tail={lines}", "--all-containers"),
            seconds=seconds,
        )
        return text.splitlines()

    def interact(self, *arguments: str) -> int:
        """Runs kubectl with this process's own input and output; its exit code."""
        with self._command(arguments, self.namespace) as command:
            return subprocess.run(command, env=self._environment, check=False).returncode

    def answer(self, *arguments: str, namespace: str | None = None) -> tuple[int, str, str]:
        """Runs kubectl to its end, however long that takes: exit code, output and errors."""
        with self._command(arguments, namespace or self.namespace) as command:
            done = subprocess.run(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        return done.returncode, done.stdout, done.stderr

    @contextmanager
    def forwarded(self, target: str, port: int, *, seconds: float = SECONDS) -> Iterator[int]:
        """A port of this machine that leads to `port` of `target` (`service/NAME`), for the block's time."""
        local = _free_port()
        arguments = ("port-forward", "--address=127.0.0.1", target, f"{local}:{port}")
        with (
            self._command(arguments, self.namespace) as command,
            # Not a pipe: kubectl tells of every connection, and would stop when nobody reads it.
            tempfile.TemporaryFile("w+") as said,
            subprocess.Popen(
                command, env=self._environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            ) as process,
        ):
            try:
                if not _answers(local, process, seconds):
                    said.seek(0)
                    raise _failure(arguments, said.read().strip() or "It gave no reason.")
                yield local
            finally:
                process.terminate()

    def run(self, *arguments: str, namespace: str | None = None, seconds: float = SECONDS) -> str:
        """What kubectl prints. Unreachable if the cluster does not answer, KitError if it refuses."""
        with self._command(arguments, namespace or self.namespace) as command:
            try:
                done = subprocess.run(
                    command,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=seconds,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise KitError(
                    f"`kubectl {arguments[0]}` is not done after {seconds:.0f} seconds",
                    f"It was ended: {_shown(arguments)}",
                ) from error
        if done.returncode == 0:
            return done.stdout
        raise _failure(arguments, done.stderr.strip() or done.stdout.strip())

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.variables}

    @contextmanager
    def _command(self, arguments: Sequence[str], namespace: str) -> Iterator[list[str]]:
        found = shutil.which(self.program, path=self._environment.get("PATH"))
        if found is None:
            raise UserError(
                "kubectl is not on the PATH",
                "It is needed to look into a cluster. Install it, and try again.",
            )
        with self.kubeconfig_file() as file:
            yield [found, f"--kubeconfig={file}", f"--namespace={namespace}", *arguments]

    @contextmanager
    def kubeconfig_file(self) -> Iterator[Path]:
        """A file with it, which is there while the block lasts: for kubectl, and for helm."""
        if isinstance(self.kubeconfig, Path):
            yield self.kubeconfig
            return
        with tempfile.NamedTemporaryFile("w", prefix="aerodrome-kubeconfig-") as file:
            file.write(self.kubeconfig)
            file.flush()
            yield Path(file.name)


def _failure(arguments: Sequence[str], reason: str) -> KitError:
    # "Error from server" is an answer, also when it tells of a node that gives none.
    if not reason.startswith("Error from server") and any(
        sign in reason.lower() for sign in _UNREACHABLE
    ):
        return Unreachable("Kubernetes does not answer", reason)
    return KitError(f"`kubectl {arguments[0]}` failed", f"{_shown(arguments)}\n{reason}")


def _answers(port: int, process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether something listens before kubectl gives up, or `seconds` are over."""
    give_up = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < give_up:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.1)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _option(name: str, value: str) -> list[str]:
    return [f"--{name}={value}"] if value else []


def _shown(arguments: Sequence[str]) -> str:
    return " ".join(("kubectl", *arguments))

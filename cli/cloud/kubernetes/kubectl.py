"""kubectl as a process, where somebody needs a process rather than an answer.

That is a terminal in a pod, whose keys and signals are kubectl's, and a forwarded port, through
which a browser opens as many connections as it likes for as long as it likes.
"""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cli.base.errors import KitError, UserError

LISTENS_SECONDS = 30.0


@dataclass(frozen=True)
class Kubectl:
    """kubectl on one cluster and in one namespace."""

    kubeconfig: Path | str = field(repr=False)
    """A file, or the text of one, which is written down only while a process needs it."""

    namespace: str = "default"
    program: Path | str = "kubectl"

    def interact(self, *arguments: str) -> int:
        """Runs kubectl with this process's own input and output; its exit code."""
        with self._command(arguments) as command:
            return subprocess.run(command, check=False).returncode

    def pipe(self, content: bytes, *arguments: str) -> tuple[int, str, str]:
        """Runs kubectl with `content` as its input, to its end: exit code, output and errors."""
        with self._command(arguments) as command:
            done = subprocess.run(command, input=content, capture_output=True, check=False)
        return (
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
        )

    @contextmanager
    def forwarded(
        self, target: str, port: int, *, seconds: float = LISTENS_SECONDS
    ) -> Iterator[int]:
        """A port of this machine that leads to `port` of `target` (`service/NAME`), for the block's time."""
        local = _free_port()
        arguments = ("port-forward", "--address=127.0.0.1", target, f"{local}:{port}")
        with (
            self._command(arguments) as command,
            # Not a pipe: kubectl tells of every connection, and would stop when nobody reads it.
            tempfile.TemporaryFile("w+") as output,
            subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            ) as process,
        ):
            try:
                if not _answers(local, process, seconds):
                    output.seek(0)
                    why = output.read().strip() or "It gave no reason."
                    shown = " ".join(("kubectl", *arguments))
                    raise KitError("`kubectl port-forward` failed", f"{shown}\n{why}")
                yield local
            finally:
                process.terminate()

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

    @contextmanager
    def _command(self, arguments: Sequence[str]) -> Iterator[list[str]]:
        found = shutil.which(self.program)
        if found is None:
            raise UserError(
                "kubectl is not on the PATH",
                "It is needed for a terminal in a pod and for a port that leads to one.",
                "./aerodrome doctor",
            )
        with self.kubeconfig_file() as file:
            yield [found, f"--kubeconfig={file}", f"--namespace={self.namespace}", *arguments]


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

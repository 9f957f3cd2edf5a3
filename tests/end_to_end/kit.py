"""The command line as a user runs it, with folders, a sandbox and a port of the test's own."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
UP_SECONDS = 420
BUILD_SECONDS = 1200
"""Of an `up` whose images may have to be compiled first: the log shipper's and Telegraf's, where nothing is cached."""


@dataclass(frozen=True)
class Kit:
    """One state folder and one sandbox. Nothing it does reaches another sandbox."""

    name: str
    folder: Path
    port: int
    checkout: Path = ROOT
    env: str = "sandbox"
    """The environment; empty: that of the git branch of the checkout, in which commands are then run."""

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def temporary(self) -> Path:
        """TMPDIR of everything that is run: must be empty in the end."""
        return self.folder / "tmp"

    @property
    def root(self) -> Path:
        return self.state / "sandbox" / self.name

    @property
    def checkpoint(self) -> Path:
        return self.state / "stacks" / ".pulumi" / "stacks" / "aerodrome" / "sandbox.json"

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("AERODROME_", "PULUMI_", "AWS_", "KUBE"))
            or key == "AERODROME_CACHE"
        }
        return kept | {
            "AERODROME_ENV": self.env,
            "AERODROME_STATE": str(self.state),
            "AERODROME_SANDBOX": self.name,
            "AERODROME_UI_PORT": str(self.port),
            "TMPDIR": str(self.temporary),
        }

    def run(
        self, *arguments: str, seconds: float = 120, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs `./aerodrome ARGUMENTS` to its end."""
        return subprocess.run(
            [self.checkout / "aerodrome", *arguments],
            env=self.environment | variables,
            cwd=self.folder if self.env else self.checkout,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def json(self, *arguments: str, seconds: float = 120) -> Any:
        """The JSON that a command prints; it must succeed."""
        done = self.run(*arguments, "--json", seconds=seconds)
        assert done.returncode == 0, f"{done.stderr[-6000:]}\n{done.stdout[-2000:]}"
        return json.loads(done.stdout)

    @cached_property
    def instance(self) -> Any:
        """The sandbox's names and addresses (sandbox.instance.Instance)."""
        from sandbox.instance import Instance

        stored = json.loads((self.root / "instance.json").read_text())
        return Instance(self.name, int(stored["slot"]), self.root, self.port)

    def branch(self, name: str) -> "Kit":
        """A checkout of its own on that git branch, whose environment is then the one that is meant."""
        checkout = self.folder / name.replace("/", "-")
        kept_out = shutil.ignore_patterns(".git", ".venv", "*_cache", "__pycache__")
        shutil.copytree(ROOT, checkout, ignore=kept_out)
        (checkout / ".venv").symlink_to(ROOT / ".venv")
        command = ["git", "init", "--quiet", f"--initial-branch={name}"]
        subprocess.run(command, cwd=checkout, check=True)
        return replace(self, checkout=checkout, env="")

    def kubectl(self, *arguments: str) -> str:
        from sandbox.tools import tool

        done = subprocess.run(
            [tool("kubectl"), f"--kubeconfig={self.root}/admin.kubeconfig", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def client(self, service: str) -> Any:
        """A boto3 client of the sandbox's AWS, as its root."""
        import boto3

        keys = json.loads((self.root / "aws" / "root.json").read_text())
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self.instance.aws_url,
            region_name="us-east-1",
            aws_access_key_id=keys["access_key_id"],
            aws_secret_access_key=keys["secret_access_key"],
        )

    def kill(self, process: str) -> None:
        """Ends a process of the sandbox behind its back."""
        found = {item["name"]: item["pid"] for item in self.json("sandbox", "status")["processes"]}
        os.kill(int(found[process]), signal.SIGKILL)

    def kill_init(self) -> None:
        """Ends everything at once, as a reboot does: the namespaces go with their init."""
        stored = json.loads((self.root / "init.json").read_text())
        os.kill(int(stored["pid"]), signal.SIGKILL)


@contextmanager
def own_kit(prefix: str) -> Iterator[Kit]:
    """A kit in folders of its own; what it has started is taken away at the end."""
    # Short: the paths of Unix sockets end at 108 characters.
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}-"))
    kit = Kit(f"{prefix}-{os.getpid()}", folder, free_port())
    kit.temporary.mkdir()
    yield kit
    kit.run("sandbox", "down", "--force", seconds=180)
    shutil.rmtree(folder)

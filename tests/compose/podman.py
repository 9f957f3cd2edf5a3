"""Podman with a store of its own, its API for Docker's programs, and the timers that systemd would be."""

import contextlib
import json
import os
import resource
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from sandbox import tools

DEBIAN = tools.checkers_dir() / "debian"


class Podman:
    """All that it makes is below `folder`, but for networks and the folder of its processes, which `remove` takes away."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store"
        # Podman takes no longer path than 50 characters, and pytest's folders are.
        self.run_root = Path(tempfile.mkdtemp(prefix="aerodrome-"))
        self.socket = folder / "api.sock"
        configuration = folder / "containers.conf"
        configuration.write_text(self._configuration())
        self.environment = {
            **os.environ,
            "CONTAINERS_CONF": str(configuration),
            "LD_LIBRARY_PATH": str(DEBIAN / "usr" / "lib" / "x86_64-linux-gnu"),
        }

    def _configuration(self) -> str:
        # Podman would raise the limits, which needs a capability that not every root has. Soft and hard alike:
        # Docker's API in Podman 4.3 takes one for the other.
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        limits = f'"nofile={files}:{files}", "nproc=4096:4096"'
        # runc: crun refuses a machine with both versions of cgroups.
        return f"""
[containers]
default_ulimits = [{limits}]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
conmon_path = ["{DEBIAN}/usr/bin/conmon"]
helper_binaries_dir = ["{DEBIAN}/usr/lib/podman"]
[engine.runtimes]
runc = ["{tools.tool("runc")}"]
[network]
network_backend = "netavark"
network_config_dir = "{self.folder}/networks"
"""

    def command(self, *words: str) -> list[str]:
        where = ["--root", self.store, "--runroot", self.run_root, "--tmpdir", self.folder / "tmp"]
        program = DEBIAN / "usr" / "bin" / "podman"
        return [str(word) for word in (program, *where, "--storage-driver", "overlay", *words)]

    def __call__(self, *words: str, check: bool = True, seconds: float = 120) -> str:
        done = subprocess.run(
            self.command(*words),
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
        assert done.returncode == 0 or not check, f"podman {words[0]}: {done.stderr}"
        return done.stdout

    def containers(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(self("ps", "--all", "--format", "json"))
        return found

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Docker's API, and health checks in time: without systemd Podman makes none by itself."""
        with (self.folder / "api.log").open("w") as log:
            process = subprocess.Popen(
                self.command("system", "service", "--time", "0", f"unix://{self.socket}"),
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        ended = threading.Event()
        timer = threading.Thread(target=self._check_health, args=(ended,))
        try:
            deadline = time.monotonic() + 60
            while not self.socket.exists():
                assert time.monotonic() < deadline, (self.folder / "api.log").read_text()
                time.sleep(0.1)
            timer.start()
            yield
        finally:
            ended.set()
            if timer.ident is not None:
                timer.join()
            process.terminate()
            process.wait(60)

    def _check_health(self, ended: threading.Event) -> None:
        while not ended.wait(2):
            for one in self.containers():
                if "(starting)" in str(one["Status"]) or "(unhealthy)" in str(one["Status"]):
                    self("healthcheck", "run", str(one["Id"]), check=False)

    def remove(self) -> None:
        """Everything, whatever state a test left it in."""
        # A container whose network another one shares goes after that one only.
        for _ in range(3):
            self("rm", "--force", "--all", "--time", "5", check=False)
        for line in self("network", "ls", "--quiet").split():
            self("network", "rm", "--force", line, check=False)
        self("volume", "rm", "--force", "--all", check=False)
        self("rmi", "--force", "--all", check=False)
        shutil.rmtree(self.run_root, ignore_errors=True)

"""Kubernetes' own scheduler and controllers beside an API server, and kwok for the machines that are not there."""

import json
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sandbox import tools
from tests.charts.rendering import Object
from tests.task_nodes.api import Api

API_SERVER_FLAGS = (
    # kwok's watches are lists to this API server, which it streams only from a newer etcd than Debian's.
    "--feature-gates=WatchList=false",
    # A taint of new nodes is for a controller to take away that does nothing else here.
    "--disable-admission-plugins=TaintNodesByCondition",
)
QUIET = ("--leader-elect=false", "--profiling=false", "--secure-port=0")


@dataclass
class Cluster:
    """What runs beside one API server, each as a process with a log in the folder."""

    folder: Path
    kubeconfig: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict, kw_only=True)

    @cached_property
    def api(self) -> Api:
        return Api(self.kubeconfig)

    def apply(self, *objects: Object, namespace: str = "") -> None:
        """On the API server's side, unknown fields refused, as Helm and Pulumi do."""
        listed = {"apiVersion": "v1", "kind": "List", "items": objects}
        command = [str(tools.tool("kubectl")), "apply", "--server-side", "--force-conflicts"]
        command += ["--validate=strict", *(["--namespace", namespace] if namespace else [])]
        done = subprocess.run(
            [*command, "--kubeconfig", self.config("admin", self.kubeconfig), "-f", "-"],
            input=json.dumps(listed),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def config(self, name: str, text: str) -> str:
        """A file with a kubeconfig."""
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(text)
        return str(path)

    def start_controllers(self, names: Iterable[str]) -> None:
        """The scheduler, and some of the controller-manager's controllers."""
        config = self.config("admin", self.kubeconfig)
        scheduler = [str(tools.tool("kube-scheduler")), f"--kubeconfig={config}"]
        self.start("scheduler", [*scheduler, *QUIET], {"PATH": os.defpath})
        manager = [str(tools.tool("kube-controller-manager")), f"--kubeconfig={config}"]
        manager += [
            f"--controllers={','.join(names)}",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        ]
        self.start("controller-manager", [*manager, *QUIET], {"PATH": os.defpath})

    def start_kwok(self, stages: Iterable[Path]) -> None:
        """It makes nodes and pods do what the stages say, where the nodes bear its annotation."""
        config = self.config("admin", self.kubeconfig)
        kwok = [str(tools.karpenter_program("kwok")), f"--kubeconfig={config}"]
        kwok += ["--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake"]
        kwok += [f"--config={stage}" for stage in stages]
        self.start("kwok", kwok, {"PATH": os.defpath, "HOME": str(self.folder)})

    def start(self, name: str, argv: list[str], env: Mapping[str, str]) -> None:
        with (self.folder / f"{name}.log").open("a") as log:
            self.processes[name] = subprocess.Popen(argv, env=env, stdout=log, stderr=log)

    def kill(self, name: str) -> None:
        """As when its node is lost: it puts nothing in order."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

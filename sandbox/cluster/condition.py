"""The status of a sandbox, read from outside: nothing here changes anything."""

from dataclasses import dataclass
from pathlib import Path

from sandbox import files
from sandbox.cluster import addons, cgroups
from sandbox.cluster.api import Api
from sandbox.cluster.record import load_init
from sandbox.cluster.supervisor_states import READY
from sandbox.instance import Instance
from sandbox.layout import Layout


@dataclass(frozen=True)
class ProcessStatus:
    """One supervised process."""

    name: str
    state: str
    """waiting, starting, ready or restarting."""

    pid: int
    """As the host numbers it; 0 if it is not running."""

    restarts: int
    seconds: float
    """From the sandbox's start until it was ready."""

    last_exit: str
    """How it ended the last time; empty if it never did."""


@dataclass(frozen=True)
class Status:
    """A sandbox as a whole."""

    name: str
    running: bool
    node_ready: bool
    processes: tuple[ProcessStatus, ...]
    memory_bytes: int
    instance: Instance | None
    """Its addresses and folders; None if there is no such sandbox."""

    @property
    def healthy(self) -> bool:
        return (
            self.running
            and self.node_ready
            and bool(self.processes)
            and all(process.state == READY for process in self.processes)
        )


def observe(name: str, instance: Instance | None) -> Status:
    """Asks the status file, the cgroups, and the API server for the node."""
    if instance is None:
        return Status(name, False, False, (), 0, None)
    layout = Layout(instance)
    init = load_init(layout)
    if init is None or not init.alive:
        return Status(name, False, False, (), 0, instance)
    processes = read_processes(layout)
    api_ready = any(p.name == "kube-apiserver" and p.state == READY for p in processes)
    node_ready = api_ready and addons.node_is_ready(
        Api(instance.admin_kubeconfig), layout.node_name
    )
    memory = cgroups.memory_bytes(instance.cgroup, cgroups.hierarchies())
    return Status(name, True, node_ready, processes, memory, instance)


def read_processes(layout: Layout) -> tuple[ProcessStatus, ...]:
    """The supervisor's last report, with the host's numbers."""
    written = files.read_json(layout.status_file) or []
    numbers = _host_numbers(layout.instance)
    return tuple(
        ProcessStatus(**{**process, "pid": numbers.get(process["pid"], 0)}) for process in written
    )


def _host_numbers(instance: Instance) -> dict[int, int]:
    """Number inside the sandbox -> number on the host, for the sandbox's own programs."""
    programs = f"{instance.cgroup}/{cgroups.LEAF}"
    found = {}
    for pid in cgroups.pids(programs, cgroups.hierarchies()[:1]):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        inside = next((x for x in status.splitlines() if x.startswith("NSpid:")), "").split()
        if len(inside) > 2:
            found[int(inside[-1])] = pid
    return found

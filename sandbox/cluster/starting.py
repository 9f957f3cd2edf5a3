"""The start of one instance, from whatever an earlier attempt left. Called by `machine.up`.

prepare   certificates, configuration, the registry's first images: files only
launch    namespaces, network, init
finish    wait for the processes, apply what the cluster has from the start
"""

import json
import socket
import time
from collections.abc import Callable, Collection
from pathlib import Path

from sandbox import files, tools
from sandbox.aws.manifests import manifests as aws_manifests
from sandbox.aws.processes import prepare as prepare_aws
from sandbox.cluster import (
    addons,
    cgroups,
    checks,
    control_plane,
    kubeconfig,
    launch,
    mounts,
    network,
    node,
    pki,
)
from sandbox.cluster.api import Api, ApiError
from sandbox.cluster.condition import ProcessStatus, read_processes
from sandbox.cluster.lock import choosing_a_network
from sandbox.cluster.ports import listen_on_loopback
from sandbox.cluster.progress import Progress, Report, step
from sandbox.cluster.record import Init, load_init, load_instance, observe_init, save_instance
from sandbox.cluster.supervisor_states import READY
from sandbox.errors import KitError
from sandbox.instance import Instance
from sandbox.layout import Layout
from sandbox.registry import images, server

_READY_SECONDS = 120.0
_MANY_RESTARTS = 6
_INTERFACE_SECONDS = 3.0
_POLL_SECONDS = 0.05


def start(root: Path, name: str, ui_port: int, report: Report) -> Instance:
    """From no init to a working sandbox."""
    with choosing_a_network():
        with step(report, "Check the machine"):
            instance = _choose(root, name, ui_port)
            ui_socket = listen_on_loopback(ui_port)
        layout = Layout(instance)
        with ui_socket:
            with step(report, "Certificates and configuration"):
                prepare(layout)
            with step(report, "First images of the registry"):
                layout.registry.mkdir(parents=True, exist_ok=True)
                images.add_images(layout.registry)
            with step(report, "Namespaces and network"):
                _launch(layout, ui_socket)
    finish(layout, report)
    return instance


def _choose(root: Path, name: str, ui_port: int) -> Instance:
    """The instance that was there before, or a new one with a free network."""
    known = load_instance(root / "instance.json")
    candidate = known or Instance(name, 0, root)
    checks.all_before_start(Layout(candidate))
    machine = cgroups.hierarchies()
    checks.check_cgroups({name for hierarchy in machine for name in hierarchy.controllers})
    if known is not None:
        _wait_for_interface(known)
        return Instance(name, known.slot, root, ui_port)
    taken = _slots_taken(root.parent)
    slot = checks.free_slot(taken, network.interfaces(), network.networks_in_use())
    return Instance(name, slot, root, ui_port)


def _wait_for_interface(known: Instance) -> None:
    """The kernel removes a dead sandbox's interface by itself, but not at once."""
    deadline = time.monotonic() + _INTERFACE_SECONDS
    while known.interface in network.interfaces() and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    checks.check_interface(known, network.interfaces())


def _slots_taken(sandboxes: Path) -> set[int]:
    found = (load_instance(path) for path in sandboxes.glob("*/instance.json"))
    return {instance.slot for instance in found if instance is not None}


def prepare(layout: Layout) -> None:
    """Every file that the processes read. Certificates are kept, the rest is written anew."""
    instance = layout.instance
    instance.root.mkdir(parents=True, exist_ok=True)
    # Volumes and container file systems of any user lie below: others may not look in.
    instance.root.chmod(0o711)
    save_instance(instance)
    for path in (layout.complete_file, layout.status_file, layout.init_file):
        path.unlink(missing_ok=True)
    for folder in (instance.logs, layout.volumes, layout.etcd):
        folder.mkdir(parents=True, exist_ok=True)
    layout.etcd.chmod(0o700)
    pki.ensure(layout)
    kubeconfig.write_all(layout)
    control_plane.write_files(layout)
    node.write_files(layout)
    mounts.write_files(layout)
    server.write_files(instance)
    prepare_aws(instance)
    files.write(layout.version_file, tools.sandbox_version())


def _launch(layout: Layout, ui_socket: socket.socket) -> None:
    launcher = launch.start(layout, ui_socket)
    with launcher:
        if launcher.stdin is None or launcher.stdout is None:
            raise TypeError("the launcher was started without pipes")
        line = launcher.stdout.readline()
        if not line:
            raise _start_failed(layout)
        init = observe_init(json.loads(line)["pid"])
        init.save(layout)
        network.connect_host(layout.instance, init.pid)
        launcher.stdin.write(b"\n")
        launcher.stdin.flush()
        launcher.wait(timeout=10)


def finish(layout: Layout, report: Report) -> None:
    """Wait until all works. Also for a sandbox whose `up` was killed before it had come so far."""
    init = load_init(layout)
    if init is None:
        raise _start_failed(layout)
    waiting = _Waiting(layout, init, report)
    with step(report, "Kubernetes API"):
        waiting.until(lambda: "kube-apiserver" in waiting.ready())
        api = Api(layout.instance.admin_kubeconfig)
        waiting.until(lambda: _applied(api, layout))
    with step(report, "Processes"):
        names = {process.name for process in read_processes(layout)}
        waiting.until(lambda: waiting.ready() >= names)
    with step(report, "Node"):
        waiting.until(lambda: addons.node_is_ready(api, layout.node_name))
        waiting.until(lambda: addons.service_accounts_work(api))
    files.write(layout.complete_file, "")


def _applied(api: Api, layout: Layout) -> bool:
    """False while the API server still sets up its own roles, and refuses even its master."""
    authority = layout.certificate("ca").read_text()
    try:
        addons.apply(api, aws_manifests(authority))
    except (OSError, ApiError) as error:
        if isinstance(error, ApiError) and error.code not in (403, 409, 429, 500, 503):
            raise
        return False
    return True


class _Waiting:
    """Waits for conditions, and gives up when init or one of its processes will not come."""

    def __init__(self, layout: Layout, init: Init, report: Report) -> None:
        self._layout = layout
        self._init = init
        self._report = report
        self._reported: set[str] = set()
        # A sandbox that runs for long may have seen many restarts: those were survived.
        self._restarts = {process.name: process.restarts for process in read_processes(layout)}

    def ready(self) -> set[str]:
        """Names of the processes that are ready; reports each one once."""
        processes = read_processes(self._layout)
        ready = {process.name for process in processes if process.state == READY}
        for process in sorted(processes, key=lambda p: p.seconds):
            if process.name in ready - self._reported:
                self._report(Progress(process.name, "done", process.seconds, "ready"))
                self._reported.add(process.name)
        return ready

    def until(self, condition: Callable[[], bool]) -> None:
        """Return when it holds; KitError with the log of what is in its way."""
        deadline = time.monotonic() + _READY_SECONDS
        while not condition():
            if not self._init.alive:
                raise _start_failed(self._layout)
            behind = [p for p in read_processes(self._layout) if p.state != READY]
            failing = [p for p in behind if self._new_restarts(p) >= _MANY_RESTARTS]
            if failing or time.monotonic() > deadline:
                raise _not_ready(self._layout, failing or behind)
            time.sleep(_POLL_SECONDS)

    def _new_restarts(self, process: ProcessStatus) -> int:
        return process.restarts - self._restarts.get(process.name, 0)


def _start_failed(layout: Layout) -> KitError:
    log = layout.instance.logs / "init.log"
    return KitError("The sandbox ended right after its start", _last_lines(log))


def _not_ready(layout: Layout, processes: Collection[ProcessStatus]) -> KitError:
    if not processes:
        log = layout.instance.logs / "kubelet.log"
        return KitError("The Kubernetes node does not become Ready", _last_lines(log))
    names = ", ".join(process.name for process in processes)
    parts = []
    for process in processes:
        log = layout.instance.logs / f"{process.name}.log"
        how = f", last ended with: {process.last_exit}" if process.last_exit else ""
        parts.append(f"{process.name}: {process.restarts} restarts{how}\n{_last_lines(log)}")
    return KitError(f"Not ready after its start: {names}", "\n".join(parts))


def _last_lines(log: Path, count: int = 12) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()[-count:]
    except OSError:
        return f"  (no {log})"
    return "\n".join([*(f"  {line[:300]}" for line in lines), f"  All of it: {log}"])

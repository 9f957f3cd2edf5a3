"""The end of one instance, and the removal of what it had on the host. Called by `machine.down` and `up`."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable

from sandbox.cluster import cgroups, network
from sandbox.cluster.leftovers import mounts_below
from sandbox.cluster.progress import Report, step
from sandbox.cluster.record import load_init
from sandbox.errors import KitError
from sandbox.layout import Layout

_TERM_SECONDS = 5.0
_KILL_SECONDS = 5.0
_POLL_SECONDS = 0.03


def stop(layout: Layout, report: Report) -> None:
    """End every process, and remove interface and cgroups. The folder stays."""
    machine = cgroups.hierarchies()
    folder = layout.instance.cgroup
    with step(report, "End the processes"):
        init = load_init(layout)
        was_alive = init is not None and init.alive
        if init is not None:
            init.send(signal.SIGTERM)
            _until(lambda: not init.alive, _TERM_SECONDS)
            init.send(signal.SIGKILL)
        if not _until(lambda: not cgroups.pids(folder, machine), _KILL_SECONDS / 5):
            # Not below init any more: started by hand in our cgroup, or its pid file was lost.
            for pid in cgroups.pids(folder, machine):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            _until(lambda: not cgroups.pids(folder, machine), _KILL_SECONDS)
    with step(report, "Remove interface and cgroups"):
        if was_alive or network.belongs_to(layout.instance):
            network.disconnect_host(layout.instance)
        cgroups.remove(folder, machine)
    for path in (layout.status_file, layout.init_file, layout.complete_file):
        path.unlink(missing_ok=True)


def remove_folder(layout: Layout, report: Report) -> None:
    """Delete the instance's root, if nothing of the host is mounted in it."""
    root = layout.instance.root
    with step(report, "Remove files"):
        mounted = mounts_below(root)
        if mounted:
            raise KitError(
                f"{root} is not removed: something is mounted in it",
                "\n".join(mounted),
                f"umount {mounted[-1]}",
            )
        if root.exists():
            shutil.rmtree(root)


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True

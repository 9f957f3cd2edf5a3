"""The small program between `up` and a sandbox's first process.

    up --starts--> launch --unshares, forks--> first process --executes--> init
     ^                |                              |
     |<---- its number on standard output -----------|
     |--- connects the network, then one byte on its standard input -->

It is a program of its own because a process can leave its namespaces only as a whole. The
first process waits for the byte: if `up` is killed before, it ends, and nothing stays.
"""

import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox import tools
from sandbox.cluster import cgroups, kernel, mounts, network
from sandbox.cluster.record import load_instance
from sandbox.errors import EngineBug, KitError
from sandbox.instance import cache_dir
from sandbox.layout import Layout

_NAMESPACES = (
    kernel.CLONE_NEWNS
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWPID
)


def environment() -> dict[str, str]:
    """All that the sandbox's processes inherit: nothing of the caller's, so none of its keys."""
    programs = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    return {
        "PATH": ":".join([str(tools.tools_dir()), *programs]),
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(tools.ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AERODROME_CACHE": str(cache_dir()),
    }


def start(layout: Layout, ui_socket: socket.socket) -> "subprocess.Popen[bytes]":
    """Called by `up`. The caller reads the number, and writes the byte."""
    log = layout.instance.logs / "init.log"
    handle = ui_socket.fileno()
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", __name__, str(layout.instance_file), str(handle)],
            cwd="/",
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            pass_fds=[handle],
            # A Ctrl-C in the caller's terminal is not meant for the sandbox.
            start_new_session=True,
        )


def main() -> None:
    instance = load_instance(Path(sys.argv[1]))
    if instance is None:
        raise EngineBug(f"{sys.argv[1]} holds no instance")
    ui_handle = int(sys.argv[2])
    cgroups.join(instance.cgroup, cgroups.hierarchies())
    kernel.unshare(_NAMESPACES)
    child = os.fork()
    if child:
        sys.stdout.write(json.dumps({"pid": child}) + "\n")
        sys.stdout.flush()
        os._exit(0)
    if os.read(sys.stdin.fileno(), 1):
        _become_init(Layout(instance), ui_handle)


def _become_init(layout: Layout, ui_handle: int) -> None:
    """Runs as the first process of the new namespaces."""
    _detach()
    socket.sethostname(layout.node_name)
    keep = [tools.ROOT, cache_dir(), Path(sys.prefix), Path(sys.base_prefix)]
    mounts.isolate(layout, keep)
    network.connect_inside(layout.instance)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.set_inheritable(ui_handle, True)
    words = [sys.executable, "-m", "sandbox.cluster.init", str(layout.instance_file)]
    _execute([*words, str(ui_handle)], environment())


def _detach() -> None:
    """Leave the caller's pipes: it would wait for their end."""
    nowhere = os.open("/dev/null", os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)


def _execute(words: list[str], variables: Mapping[str, str]) -> None:
    os.chdir("/")
    os.execve(words[0], words, dict(variables))


if __name__ == "__main__":
    try:
        main()
    except (OSError, KitError) as error:
        sys.stderr.write(f"launch: {error}\n")
        os._exit(1)

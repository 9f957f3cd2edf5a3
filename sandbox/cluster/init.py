"""The first process of a sandbox: `python -m sandbox.cluster.init INSTANCE.json UI_SOCKET`.

It runs the supervisor, collects every orphan, writes how things are to the status file, and
ends all on SIGTERM. When it ends, the kernel ends whatever else is in its pid namespace.
Imports little on purpose: it stays in memory for as long as the sandbox lives.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox import files
from sandbox.cluster import relay
from sandbox.cluster.composition import processes
from sandbox.cluster.launch import environment
from sandbox.cluster.record import load_instance
from sandbox.cluster.supervisor import Supervisor, Watched
from sandbox.errors import EngineBug
from sandbox.instance import UI_NODE_PORT
from sandbox.layout import Layout

_STOP_SECONDS = 3.0


async def _run(layout: Layout, ui_socket: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    instance = layout.instance

    def write_status(watched: Sequence[Watched]) -> None:
        files.write_json(layout.status_file, [_as_json(one) for one in watched])

    supervisor = Supervisor(processes(instance), instance.logs, environment(), write_status)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGCHLD, _collect, supervisor)
    server = await relay.serve(ui_socket, instance.node_address, UI_NODE_PORT)
    supervisor.start()
    await stop.wait()
    server.close()
    await supervisor.stop(_STOP_SECONDS)


def _collect(supervisor: Supervisor) -> None:
    """Wait for all that ended: our own children, and orphans that became ours."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        supervisor.child_ended(pid, status)


def _as_json(watched: Watched) -> dict[str, object]:
    return {
        "name": watched.process.name,
        "state": watched.state,
        "pid": watched.pid,
        "restarts": watched.restarts,
        "seconds": round(watched.seconds, 3),
        "last_exit": watched.last_exit,
    }


def main() -> None:
    instance = load_instance(Path(sys.argv[1]))
    if instance is None:
        raise EngineBug(f"{sys.argv[1]} holds no instance")
    ui_socket = socket.socket(fileno=int(sys.argv[2]))
    ui_socket.setblocking(False)
    ui_socket.set_inheritable(False)
    asyncio.run(_run(Layout(instance), ui_socket))


if __name__ == "__main__":
    main()

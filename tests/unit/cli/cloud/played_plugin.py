"""Plays AWS's session-manager-plugin: started as it is, it listens where it must, and a TCP relay is its session.

The folder in AERODROME_PLAYED says where sessions lead: a file `WORKER` with a port, or `gone`, or `closed`, or an error. Each start is noted.
Runs as a program of its own: `python -m` is not how it is found.
"""

import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

VERSION = "1.2.764.0"


def main() -> None:
    folder = Path(os.environ["AERODROME_PLAYED"])
    if sys.argv[1:] == ["--version"]:
        version = folder / "version"
        sys.stdout.write(version.read_text() if version.exists() else VERSION)
        return
    given, region, operation, profile, request, endpoint = sys.argv[1:]
    asked: dict[str, Any] = json.loads(request)
    response: dict[str, Any] = json.loads(os.environ[given])
    note = {
        "arguments": sys.argv[1:],
        "response": response,
        "pid": os.getpid(),
        "place": [region, operation, profile, endpoint],
    }
    with (folder / "starts").open("a") as file:
        file.write(json.dumps(note) + "\n")
    leads = (folder / asked["Target"]).read_text()
    if not (leads.isdecimal() or leads in ("gone", "closed")):
        sys.exit(leads)
    server = socket.create_server(
        ("127.0.0.1", int(asked["Parameters"]["localPortNumber"][0])), backlog=64
    )
    while True:
        here, _ = server.accept()
        if leads == "closed":
            # As the plugin, when the agent has told it that it does not reach the host.
            here.close()
            continue
        if leads == "gone":
            # The plugin itself does not know that nobody is left at the other end.
            threading.Thread(target=_swallow, args=(here,), daemon=True).start()
            continue
        there = socket.create_connection(("127.0.0.1", int(leads)))
        for pair in ((here, there), (there, here)):
            threading.Thread(target=_carry, args=pair, daemon=True).start()


def _swallow(here: socket.socket) -> None:
    here.recv(1)
    here.close()


def _carry(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        target.close()


if __name__ == "__main__":
    main()

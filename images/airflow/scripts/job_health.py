"""Answer over HTTP whether the job of this process (scheduler, dag-processor, triggerer) has written a heartbeat of late.

Kubernetes' probes ask it. A probe that starts Python, or `airflow jobs check`, takes up to a second of processor time each
time, and on a crowded node most of what there is. The answer comes from a thread of the process itself: a job whose
heartbeats end, for whatever reason, answers 503, and a process that hangs as a whole does not answer.
"""

import functools
import os
import threading
import time
from collections.abc import Callable
from socketserver import ThreadingMixIn
from typing import Any

from pod_server import PodServer, QuietHandler


class Heart:
    """When the job has last written a heartbeat into the database."""

    def __init__(self, limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._last: float | None = None

    def beat(self) -> None:
        """Now."""
        self._last = self._clock()

    def answer(self) -> tuple[int, str]:
        """The status of HTTP, and a line for people."""
        if self._last is None:
            return 503, "no job has started yet"
        age = self._clock() - self._last
        return 200 if age < self._limit else 503, f"last heartbeat {age:.0f} s ago"


def follow(job: Any, heart: Heart) -> None:
    """Have the class of Airflow's jobs tell `heart` of what it has written."""
    prepare, heartbeat = job.prepare_for_execution, job.heartbeat

    @functools.wraps(prepare)
    def prepare_and_tell(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = prepare(self, *args, **kwargs)
        heart.beat()
        return result

    @functools.wraps(heartbeat)
    def heartbeat_and_tell(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = heartbeat(self, *args, **kwargs)
        # It returns as well if the database could not be reached.
        if not self.heartbeat_failed:
            heart.beat()
        return result

    job.prepare_for_execution = prepare_and_tell
    job.heartbeat = heartbeat_and_tell


class _Server(ThreadingMixIn, PodServer):
    daemon_threads = True

    def __init__(self, port: int, heart: Heart) -> None:
        self.heart = heart
        super().__init__(port, _Handler)


class _Handler(QuietHandler):
    server: _Server

    def do_GET(self) -> None:
        status, line = self.server.heart.answer()
        body = f"{line}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve(port: int, heart: Heart) -> int:
    """Answer from a thread, on every address of the pod; the port, which is chosen where it is 0."""
    server = _Server(port, heart)
    # A process that is forked off has no such thread, and would keep the port when this one ends.
    os.register_at_fork(after_in_child=server.socket.close)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return int(server.server_address[1])

"""Import Airflow, wait for a task, and run it: a pod of the warm pool (`warm_pool.py`).

Whoever sends a task shows the token that the pod was made with. It gets one answer: 202, after which the task runs as
`run_task.py` runs any. A pod to which nobody comes ends after `LONGEST_WAIT`, and one that is told to stop ends at once.
"""

import gc
import hmac
import os
import signal
import sys
import time
from http import HTTPStatus
from typing import Any

import lean_start
import run_task
from pod_server import PodServer, QuietHandler

PORT = 8975
"""Where it waits; the NetworkPolicy of tasks' pods lets the scheduler in there."""

TOKEN = "AERODROME_WARM_POOL_TOKEN"
"""The environment variable with the pod's own token."""

LONGEST_WAIT = 600.0
"""Seconds. What the pod has read at its start, a Secret for instance, is no older than this when a task begins."""

LARGEST = 16 * 1024**2
"""Bytes of a workload."""

_PATIENCE = 5.0
"""Seconds for a connection that says nothing: there is only one at a time."""


class TaskServer(PodServer):
    """Waits for one task."""

    workload: str | None = None

    def __init__(self, port: int, token: str) -> None:
        self.token = token
        super().__init__(port, _Handler)

    def wait(self, seconds: float) -> str | None:
        """The workload as JSON; nothing after so long."""
        deadline = time.monotonic() + seconds
        while self.workload is None and (left := deadline - time.monotonic()) > 0:
            self.timeout = left
            self.handle_request()
        self.server_close()
        return self.workload

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Without a traceback: who connects and goes has looked whether somebody waits."""


class _Handler(QuietHandler):
    server: TaskServer
    timeout = _PATIENCE

    def do_POST(self) -> None:
        shown = self.headers.get("Authorization", "")
        size = int(self.headers.get("Content-Length") or 0)
        if not hmac.compare_digest(shown.encode(), f"Bearer {self.server.token}".encode()):
            self._answer(HTTPStatus.FORBIDDEN)
        elif not 0 < size <= LARGEST:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            workload = self.rfile.read(size).decode()
            self._answer(HTTPStatus.ACCEPTED)
            self.server.workload = workload

    def _answer(self, status: HTTPStatus) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def import_everything() -> None:
    """What the supervisor and the task import otherwise while somebody waits for them."""
    from airflow.executors import base_executor, workloads
    from airflow.providers.standard.operators import python
    from airflow.sdk.execution_time import execute_workload, task_runner
    from pydantic import TypeAdapter

    del base_executor, python, execute_workload, task_runner
    lean_start.import_dagbag()
    lean_start.storage()
    TypeAdapter(workloads.All)


def main() -> None:
    """No arguments."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    # The folder of the image's scripts is no place where a task's imports should look.
    del sys.path[0]
    token = os.environ.pop(TOKEN)
    run_task.prepare_supervisor()
    import_everything()
    # The task's process is forked off this one: what is never looked at again stays shared memory.
    gc.collect()
    gc.freeze()
    workload = TaskServer(PORT, token).wait(LONGEST_WAIT)
    if workload is None:
        return
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.argv[1:] = ["--json-string", workload]
    run_task.execute()


if __name__ == "__main__":
    main()

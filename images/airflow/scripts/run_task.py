"""Run one task in its pod so that it ends, once and with its whole log, when the pod is told to stop.

`entrypoint` puts it in the place of `python -m airflow.sdk.execution_time.execute_workload`. There the
supervisor hands SIGTERM on to the task, whose handler runs the operator's `on_kill` and comes back: the task
runs on until the kubelet kills everything, and with it the log that nobody has uploaded (apache/airflow
#58936, #73006). Here the task is interrupted after `on_kill`, fails as any task does (retries and
callbacks included), and the supervisor uploads the log. What does not let itself be interrupted is
killed while there is time for that.

A log that cannot be uploaded is offered again. The S3 client's own patience covers S3, not the pod's credentials:
their agent is asked three times within ten seconds, and Airflow gives up with it.
"""

import functools
import gc
import os
import signal
import sys
import threading
import time
from typing import Any, NoReturn

import lean_start
import task_lines

GRACE = "AERODROME_GRACE_SECONDS"
"""The pod's grace period, as the chart says it."""

LATEST = 2 / 3
"""The part of the grace period for `on_kill` and the task; the rest is for the log."""

LAST_WORD = 3.0
"""Seconds between a signal that a task may catch and one that it cannot."""

LOG_SECONDS = 300.0
"""For which a log is offered that is not taken. Afterwards it is lost with the pod."""

LONGEST_PAUSE = 20.0


class TaskTerminated(BaseException):
    """Thrown into a task whose pod is told to stop. Not an Exception: tasks catch those and go on."""


def time_to_end() -> float:
    """Seconds after which a task that goes on is killed."""
    return float(os.environ.get(GRACE) or 30) * LATEST


def interruptible(execute: Any) -> Any:
    """Airflow's `_execute_task`, which SIGTERM interrupts after `on_kill`."""

    @functools.wraps(execute)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        on_kill = signal.getsignal(signal.SIGTERM)

        def stop(number: int, frame: Any) -> None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if callable(on_kill):
                on_kill(number, frame)
            raise TaskTerminated("The task's pod was told to stop (SIGTERM)")

        signal.signal(signal.SIGTERM, stop)
        try:
            return execute(*args, **kwargs)
        finally:
            if signal.getsignal(signal.SIGTERM) is stop:
                signal.signal(signal.SIGTERM, on_kill)

    return wrapper


def insistent(monitor: Any) -> Any:
    """The supervisor's `_monitor_subprocess`, which hands SIGTERM on once and ends a task that goes on."""

    @functools.wraps(monitor)
    def wrapper(supervisor: Any) -> Any:
        hand_on = signal.getsignal(signal.SIGTERM)

        def kill(number: int, rest: tuple[int, ...]) -> None:
            try:
                # The task and what it has started: it leads a process group.
                os.killpg(supervisor.pid, number)
            except ProcessLookupError:
                return
            if rest:
                start(LAST_WORD, kill, rest[0], rest[1:])

        def stop(number: int, frame: Any) -> None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            supervisor.process_log.warning(
                f"The pod is told to stop: the task has {time_to_end():.0f} s to end"
            )
            if callable(hand_on):
                hand_on(number, frame)
            # SIGQUIT first: Airflow takes a SIGKILL for the kernel's, and speaks of memory.
            start(time_to_end(), kill, signal.SIGQUIT, (signal.SIGKILL,))

        signal.signal(signal.SIGTERM, stop)
        return monitor(supervisor)

    return wrapper


def patient(write: Any) -> Any:
    """The `write` of where logs are uploaded to, which answers whether it did; asked until it did."""

    @functools.wraps(write)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        give_up, pause = time.monotonic() + LOG_SECONDS, 1.0
        while not (written := write(*args, **kwargs)) and time.monotonic() + pause < give_up:
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        return written

    return wrapper


def insistent_on_logs(upload: Any) -> Any:
    """The supervisor's `_upload_logs`, to which the storage of logs is patient."""

    @functools.wraps(upload)
    def wrapper(supervisor: Any) -> Any:
        storage = lean_start.storage()
        # Of some kinds of storage nobody can tell whether they took a log.
        if type(storage).__name__ == "S3RemoteLogIO":
            storage.write = patient(storage.write)
        return upload(supervisor)

    return wrapper


def start(seconds: float, action: Any, *arguments: Any) -> None:
    """Does something later, unless the process ends before."""
    timer = threading.Timer(seconds, action, arguments)
    timer.daemon = True
    timer.start()


def prepare_supervisor() -> None:
    """Before the supervisor starts the task: imports Airflow, and wraps what both processes run."""
    lean_start.import_airflow()
    from airflow.sdk.execution_time import supervisor

    # The last thing that the task's process does before it runs the task.
    before = supervisor.block_orm_access

    def in_task() -> None:
        before()
        lean_start.import_dagbag()
        # Not earlier: the supervisor can do without this module.
        from airflow.sdk.execution_time import task_runner

        task_runner._execute_task = interruptible(task_runner._execute_task)

    supervisor.block_orm_access = in_task
    lean_start.trim_supervisor()
    process = supervisor.ActivitySubprocess
    process._monitor_subprocess = insistent(process._monitor_subprocess)
    process._upload_logs = insistent_on_logs(process._upload_logs)
    task_lines.name()


def execute() -> NoReturn:
    """Run the task that the arguments of `execute_workload` say, and end."""
    from airflow.sdk.execution_time.execute_workload import main as execute_workload

    execute_workload()
    lean_start.leave()


def main() -> None:
    """The arguments of execute_workload."""
    # The folder of the image's scripts is no place where a task's imports should look.
    del sys.path[0]
    # What is imported stays: to look for garbage among it takes a tenth of the time.
    gc.disable()
    prepare_supervisor()
    gc.freeze()
    gc.enable()
    execute()


if __name__ == "__main__":
    main()

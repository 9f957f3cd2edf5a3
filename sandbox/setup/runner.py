"""The task runner: it runs tasks in parallel as far as they allow, and logs their progress."""

import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from sandbox.errors import EngineBug, KitError
from sandbox.setup.task import Log, Task

_HEARTBEAT_SECONDS = 30.0


def say(line: str) -> None:
    """Progress goes to stderr: stdout belongs to what is started afterwards."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def run(tasks: Sequence[Task], logs: Path) -> list[str]:
    """Run those that are not done. The names of those that were run.

    A failure lets the others in flight finish, starts no more, and is raised.
    """
    waiting = [task for task in tasks if not task.done()]
    wanted = [task.name for task in waiting]
    finished: set[str] = {task.name for task in tasks} - set(wanted)
    running: dict[Future[None], tuple[Task, float, Log]] = {}
    failures: list[KitError] = []
    with ThreadPoolExecutor(max_workers=len(tasks)) as pool:
        while waiting or running:
            for task in [t for t in waiting if not failures and finished.issuperset(t.after)]:
                waiting.remove(task)
                say(f"  {task.title} ...")
                log = Log(logs / f"{task.name}.log")
                running[pool.submit(task.run, log)] = (task, time.monotonic(), log)
            if not running:
                break
            _collect(running, finished, failures)
    if failures:
        raise failures[0]
    if waiting:
        raise EngineBug(f"No task leads to {waiting[0].name}")
    return wanted


def _collect(
    running: dict[Future[None], tuple[Task, float, Log]],
    finished: set[str],
    failures: list[KitError],
) -> None:
    ended, _ = wait(running, timeout=_HEARTBEAT_SECONDS, return_when=FIRST_COMPLETED)
    if not ended:
        for task, since, log in running.values():
            done = log.progress() or "still at it"
            say(f"  {task.title}: {done} after {time.monotonic() - since:.0f} s")
    for future in ended:
        task, since, _ = running.pop(future)
        seconds = time.monotonic() - since
        error = future.exception()
        if error is None:
            finished.add(task.name)
            say(f"  {task.title}: {seconds:.1f} s")
        elif isinstance(error, KitError):
            failures.append(error)
            say(f"  {task.title}: failed after {seconds:.1f} s")
        else:
            raise error

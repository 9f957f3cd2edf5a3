"""Run `airflow scheduler` so that it stops when it is told to, with the kit's KubernetesExecutor.

The process that watches Kubernetes is forked off the scheduler and inherits its handler for
SIGTERM, which does nothing there. So the scheduler waits 20 seconds for it at every stop,
every rollout and every teardown. A forked child starts without the handler here.
"""

import os
import signal
import sys


def default_sigterm() -> None:
    """Runs in a child, right after the fork; what it sets for itself comes later."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def use_task_pods() -> None:
    """The executor keeps its name, in the configuration and in the history; it is loaded where it is used."""
    from airflow.executors.executor_loader import ExecutorLoader

    ExecutorLoader.executors["KubernetesExecutor"] = "task_pods.KubernetesExecutor"


def main() -> None:
    """No arguments."""
    os.register_at_fork(after_in_child=default_sigterm)
    use_task_pods()
    from airflow.__main__ import main as airflow

    sys.argv = ["airflow", "scheduler"]
    airflow()


if __name__ == "__main__":
    main()

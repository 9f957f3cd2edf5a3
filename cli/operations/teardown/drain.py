"""Running tasks first: a worker uploads its log when its task is over, and never after.

DAGs are paused, so that nothing new is planned. Tasks that have no pods of their own are waited for by
Airflow's count, while what runs them still runs. Then the scheduler goes to zero, so that nothing new is
started, and worker pods that run are waited for. Tasks that run too long are signalled to stop, for then too
their log is uploaded, as far as it goes. An Airflow that does not answer is no reason to keep it.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from cli.base.airflow import Airflow
from cli.base.errors import KitError
from cli.base.values import need
from cli.cloud.kubernetes import Kubernetes, Object, Unreachable
from cli.operations.live import COMPONENT_LABEL, SERVING, Live
from cli.operations.teardown.report import Report
from cli.operations.teardown.target import Target
from cli.operations.teardown.waiting import until_none
from infra.contract.outputs import Outputs

SCHEDULER = f"{COMPONENT_LABEL}=scheduler"
WORKER = f"{COMPONENT_LABEL}=worker"
COMPONENTS = f"{COMPONENT_LABEL} in ({','.join(SERVING)})"
GRACE = 2
"""Seconds for a component that has nothing left to do."""

STOPPING = 10.0
"""Seconds for a scheduler to end. One on a node that is lost never does."""

UPLOAD_SECONDS = 10.0
"""Seconds, at the end of the time, for tasks that were signalled to stop: to upload their logs."""

TOGETHER = 16
"""How many tasks are signalled at the same time."""

_INTERRUPT = """
import os, pathlib, re, signal, time

def parents():
    found = {}
    for file in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(file.parent.name)] = int(file.read_text().rpartition(")")[2].split()[1])
        except OSError:
            pass
    return found

def title(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""

def tasks():
    known = parents()
    return [pid for pid, parent in known.items() if SELECTED]

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
    for pid in tasks():
        os.kill(pid, number)
    give_up = time.monotonic() + 1.5
    while tasks() and time.monotonic() < give_up:
        time.sleep(0.1)
"""
"""Ends a task, but not Airflow's supervisor above it, which then uploads the log.

A pod that is deleted does not do that: the supervisor hands the signal on, the operator's `on_kill` is
run, and the task goes on until both are killed. So first the signal for `on_kill`, and then others.
"""

INTERRUPT = _INTERRUPT.replace("SELECTED", "known.get(parent) == 1")
"""In a task's own pod: the supervisor is all that the pod's init process runs."""

INTERRUPT_ALL = _INTERRUPT.replace(
    "SELECTED", r're.match(r"airflow worker -- [0-9a-f]{8}-", title(pid))'
)
"""In a pod that runs many: Airflow names the process of a task after its id."""

ENDED = ("Succeeded", "Failed")
PENDING = "Pending"
PATIENCE = 2.0
"""Seconds that an Airflow which is about to go may take to answer."""


def drain(target: Target, report: Report) -> None:
    kubernetes = target.kubernetes
    if kubernetes is None:
        report.note("nothing runs: there is no cluster")
        return
    give_up = time.monotonic() + target.limits.drain
    try:
        if target.guest and target.names.namespace not in (target.spaces(kubernetes) or ()):
            report.note(f"nothing of it runs: {target.cluster} has no namespace of it")
            return
        schedulers = kubernetes.objects("deployments", selector=SCHEDULER)
        if not schedulers and not kubernetes.objects("pods", selector=WORKER):
            report.note("no scheduler runs")
            return
        busy = _pause(target, kubernetes, report, give_up)
        if schedulers:
            _scale_to_zero(kubernetes, schedulers)
        if busy:
            _end_scheduler(target, kubernetes, give_up)
        _Workers(target, kubernetes, report).end(give_up)
        _stop(kubernetes)
    except Unreachable as error:
        report.note(f"the cluster does not answer: tasks are not waited for ({error.detail})")


def _pause(target: Target, kubernetes: Kubernetes, report: Report, give_up: float) -> bool:
    """Pauses all DAGs. Whether a task is queued or runs; also if nobody can say."""
    live = Live(target.session, target.environment, target.backend, target.outputs)
    try:
        need(target.outputs, Outputs.admin_user)
        with live.airflow(PATIENCE) as airflow:
            airflow.pause_all()
            if waiting := airflow.deferred():
                report.note(f"{waiting} task(s) wait for a trigger: they are not resumed")
            if target.executor.task_hosts:
                # Those with pods of their own are signalled later, and need their time for it.
                later = (
                    min(UPLOAD_SECONDS, target.limits.drain / 2)
                    if target.executor.task_pods
                    else 0.0
                )
                _Hosts(target, kubernetes, airflow, report).end(give_up - later)
            return airflow.unfinished() > 0
    except Unreachable:
        raise
    except KitError as error:
        report.note(f"Airflow does not answer: its DAGs are not paused ({error.summary})")
        return True


class _Hosts:
    """The pods that run many tasks each: Airflow's count says when those are over."""

    def __init__(
        self, target: Target, kubernetes: Kubernetes, airflow: Airflow, report: Report
    ) -> None:
        self._limits = target.limits
        self._executor = target.executor
        self._kubernetes = kubernetes
        self._airflow = airflow
        self._report = report

    def end(self, give_up: float) -> None:
        upload_seconds = min(UPLOAD_SECONDS, self._limits.drain / 2)
        left = self._wait(give_up - upload_seconds)
        if left and upload_seconds:
            self._report.note(
                f"{left} task(s) did not end in {self._limits.drain - upload_seconds:.0f} s, and are signalled to stop"
            )
            hosts = f"{COMPONENT_LABEL} in ({','.join(self._executor.task_hosts)})"
            pods = [
                pod
                for pod in self._kubernetes.objects("pods", selector=hosts)
                if _phase(pod) not in (PENDING, *ENDED)
            ]
            _signal_to_stop(self._kubernetes, self._report, pods, INTERRUPT_ALL, upload_seconds)
            left = self._wait(give_up)
        if left:
            self._report.note(f"{left} task(s) left running, the end of their logs is lost")

    def _wait(self, until: float) -> int:
        """How many are left at that time."""
        while tasks := self._inside():
            if time.monotonic() >= until:
                return tasks
            self._report.say(f"  {tasks} task(s) still running")
            time.sleep(self._limits.pause)
        return 0

    def _inside(self) -> int:
        """Unfinished ones, without those whose own pods are seen: they are waited for later."""
        tasks = self._airflow.unfinished()
        if tasks and self._executor.task_pods:
            pods = self._kubernetes.objects("pods", selector=WORKER)
            tasks -= len([pod for pod in pods if _phase(pod) not in ENDED])
        return max(tasks, 0)


def _signal_to_stop(
    kubernetes: Kubernetes, report: Report, pods: Sequence[Object], script: str, seconds: float
) -> None:
    def signal_pod(pod: Object) -> None:
        try:
            code, _, errors = kubernetes.execute(pod, "python", "-c", script, seconds=seconds)
            why = errors.strip() if code else ""
        except KitError as error:
            why = error.detail
        if why:
            report.note(f"{_name(pod)} cannot be signalled: {why}")

    with ThreadPoolExecutor(TOGETHER) as pool:
        list(pool.map(signal_pod, pods))


def _end_scheduler(target: Target, kubernetes: Kubernetes, give_up: float) -> None:
    """Until it is gone, it may start what is queued already."""
    if not target.executor.in_scheduler:
        # One that runs tasks itself needs longer: it uploads their logs.
        _end(kubernetes, kubernetes.objects("pods", selector=SCHEDULER))

    def left() -> list[str]:
        return [_name(pod) for pod in kubernetes.objects("pods", selector=SCHEDULER)]

    seconds = min(give_up - time.monotonic(), STOPPING)
    until_none(left, seconds, target.limits.pause, lambda pod: None)


class _Workers:
    """The pods of the tasks."""

    def __init__(self, target: Target, kubernetes: Kubernetes, report: Report) -> None:
        self._limit = target.limits.drain
        self._pause = target.limits.pause
        self._kubernetes = kubernetes
        self._report = report
        self._idle: set[str] = set()
        self._pods: dict[str, Object] = {}

    def end(self, give_up: float) -> None:
        upload_seconds = min(UPLOAD_SECONDS, self._limit / 2)
        running = self._running()
        if running:
            self._report.say(f"waiting for {', '.join(running)}")
        left = self._wait(give_up - upload_seconds, running)
        if left and upload_seconds:
            self._report.note(
                f"{len(left)} task(s) did not end in {self._limit - upload_seconds:.0f} s, and are"
                f" signalled to stop: {', '.join(left)}"
            )
            pods = [self._pods[name] for name in left]
            _signal_to_stop(self._kubernetes, self._report, pods, INTERRUPT, upload_seconds)
            left = self._wait(give_up, left)
        if left:
            self._report.note(f"left running, the end of their logs is lost: {', '.join(left)}")

    def _wait(self, until: float, before: Sequence[str]) -> list[str]:
        def report(pod: str) -> None:
            self._report.say(f"  {pod} is done")

        return until_none(self._running, until - time.monotonic(), self._pause, report, before)

    def _running(self) -> list[str]:
        """Those at work. One that has not begun has nothing to lose, and may never begin."""
        found = self._kubernetes.objects("pods", selector=WORKER)
        self._pods |= {_name(pod): pod for pod in found}
        idle = [pod for pod in found if _phase(pod) == PENDING and _name(pod) not in self._idle]
        if idle:
            names = sorted(map(_name, idle))
            self._idle.update(names)
            self._report.note(f"{len(idle)} task(s) had not begun: {', '.join(names)}")
            _end(self._kubernetes, idle)
        return sorted(_name(pod) for pod in found if _phase(pod) not in (PENDING, *ENDED))


def _stop(kubernetes: Kubernetes) -> None:
    """Ends what serves tasks that there are none of any more: the engine need not wait for it.

    Not the database: other environments may have theirs in it.
    """
    _scale_to_zero(kubernetes, kubernetes.objects("deployments", selector=COMPONENTS))
    _end(kubernetes, kubernetes.objects("pods", selector=COMPONENTS))


def _scale_to_zero(kubernetes: Kubernetes, workloads: Sequence[Object]) -> None:
    for each in workloads:
        kubernetes.patch(each, {"spec": {"replicas": 0}})


def _end(kubernetes: Kubernetes, pods: Sequence[Object]) -> None:
    for pod in pods:
        kubernetes.delete(pod, grace=GRACE)


def _phase(pod: Object) -> str:
    return str(pod.get("status", {}).get("phase", ""))


def _name(pod: Object) -> str:
    return str(pod["metadata"]["name"])

"""Running tasks first: a worker uploads its log when its task is over, and never after.

DAGs are paused, so that nothing new is planned; the scheduler goes to zero, so that nothing new
is started; worker pods are waited for. An Airflow that does not answer is no reason to keep it.
"""

import time

from cli.backends import need
from cli.kubernetes import Kubectl, Unreachable
from cli.live import Live
from cli.teardown.report import Report
from cli.teardown.target import Target
from cli.teardown.waiting import until_none
from sandbox.errors import KitError

SCHEDULER = "app.kubernetes.io/component=scheduler"
WORKER = "app.kubernetes.io/component=worker"
COMPONENTS = "app.kubernetes.io/component in (api-server,dag-processor,triggerer,scheduler)"
GRACE = 2
"""Seconds for a component that has nothing left to do."""

ENDED = ("Succeeded", "Failed")
PATIENCE = 2.0
"""Seconds that an Airflow which is about to go may take to answer."""


def drain(target: Target, report: Report) -> None:
    kubectl = target.kubectl
    if kubectl is None:
        report.note("nothing runs: there is no cluster")
        return
    give_up = time.monotonic() + target.limits.drain
    try:
        if not kubectl.objects("deployments", selector=SCHEDULER):
            report.note("no scheduler runs")
            return
        _pause(target, report, give_up)
        kubectl.scale("deployment", selector=SCHEDULER, replicas=0)
        _workers(kubectl, report, max(give_up - time.monotonic(), 0.0), target.limits.pause)
        _stop(kubectl)
    except Unreachable as error:
        report.note(f"the cluster does not answer: tasks are not waited for ({error.detail})")


def _pause(target: Target, report: Report, give_up: float) -> None:
    """Pauses all DAGs; where tasks run inside the scheduler, they are waited for before it ends."""
    live = Live(target.session, target.environment, target.backend, target.outputs, target.sandbox)
    try:
        need(target.outputs, "adminUser")
        with live.airflow(PATIENCE) as airflow:
            airflow.pause_all()
            if target.plain.get("aerodrome:executor") != "LocalExecutor":
                return
            while (tasks := airflow.unfinished()) and time.monotonic() < give_up:
                report.say(f"  {tasks} task(s) still running")
                time.sleep(target.limits.pause)
    except KitError as error:
        report.note(f"Airflow does not answer: its DAGs are not paused ({error.summary})")


def _workers(kubectl: Kubectl, report: Report, seconds: float, pause: float) -> None:
    def running() -> list[str]:
        return [
            str(pod["metadata"]["name"])
            for pod in kubectl.objects("pods", selector=WORKER)
            if pod.get("status", {}).get("phase") not in ENDED
        ]

    left = until_none(running, seconds, pause, lambda pod: report.say(f"  {pod} is done"))
    if left:
        report.note(
            f"{len(left)} task(s) did not end in {seconds:.0f} s; the end of their logs is lost: "
            + ", ".join(left)
        )


def _stop(kubectl: Kubectl) -> None:
    """Ends what serves tasks that there are none of any more: the engine need not wait for it.

    Not the database: other environments may have theirs in it.
    """
    kubectl.scale("deployment", selector=COMPONENTS, replicas=0)
    kubectl.run(
        *("delete", "pods", f"--selector={COMPONENTS}", "--ignore-not-found"),
        *(f"--grace-period={GRACE}", "--wait=false"),
    )

"""One deployment of a rotation: what is configured, and no pod left that has read something else."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cli.base.errors import KitError
from cli.base.phases import Phases
from cli.cloud.kubernetes import Object
from cli.operations import deployment, jobs, migration_job
from cli.operations.deployment import DeploymentPlan
from cli.operations.live import Live
from cli.operations.teardown.waiting import until_none

SETTLE_SECONDS: Final = 3600.0
"""A scheduler that runs tasks in its pod waits for them: ten minutes, or as its values say."""

_PODS = "app.kubernetes.io/name=airflow"


@dataclass(frozen=True)
class Rollout:
    """How a rotation of one secret deploys an environment whose lease is held."""

    live: Live
    planned: DeploymentPlan
    phases: Phases
    which: str
    """As the command line calls the rotation."""

    secret: str
    """Whose checksum in a pod's annotations tells what it has read, as a key of the chart's `secrets`."""

    steps: tuple[str, ...]

    def deploy(self, number: int) -> None:
        """The step of this number, from 1."""
        self.phases.skip_to(number)
        title = self.steps[number - 1]
        deployment.deploy_again(self.live.session, self.planned, self.phases, title)
        with self.phases.longer():
            self.settle(self.live.session.console.report)

    def settle(self, report: Callable[[str], None], seconds: float = SETTLE_SECONDS) -> None:
        """Waits until no pod is left that has read another value: of what it does last, nobody would know."""
        job = migration_job.need(self.live, "What tells the pods of before")
        wanted = self._checksum(job["spec"]["template"])
        said: list[str] = []

        def look() -> list[str]:
            pods = self.live.kubernetes.objects("pods", selector=_PODS)
            left = sorted(str(p["metadata"]["name"]) for p in pods if self._is_former(p, wanted))
            if left and left != said:
                report(f"pods of before end: {', '.join(left)}")
                said[:] = left
            return left

        if left := until_none(look, seconds, jobs.PAUSE, lambda _: None):
            raise KitError(
                f"Pods of before do not end: {', '.join(left)}",
                "The rotation goes on when they are gone. Nothing is lost by waiting: old and new work side by side.",
                f"./aerodrome secrets rotate {self.which}{self.live.session.same}",
            )

    def _is_former(self, pod: Object, wanted: str) -> bool:
        ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        return not ended and self._checksum(pod) not in ("", wanted)

    def _checksum(self, item: Object) -> str:
        annotations = item["metadata"].get("annotations") or {}
        return str(annotations.get(f"checksum/{self.secret}-secret", ""))

"""One deployment of a rotation: what is configured, and no pod left that has read something else."""

from collections.abc import Callable, Mapping
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

    secrets: tuple[str, ...]
    """Whose checksums in a pod's annotations tell what it has read, as keys of the chart's `secrets`."""

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
        wanted = self._deployed_checksums()
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

    def _deployed_checksums(self) -> Mapping[str, str]:
        """By Secret, of those that the migration Job reads, or a Deployment's pods."""
        job = migration_job.need(self.live, "What tells the pods of before")
        found = self._checksums(job["spec"]["template"])
        if len(found) < len(self.secrets):
            for one in self.live.kubernetes.objects("deployments", selector=_PODS):
                found = {**self._checksums(one["spec"]["template"]), **found}
        return found

    def _is_former(self, pod: Object, wanted: Mapping[str, str]) -> bool:
        ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        read = self._checksums(pod)
        return not ended and any(wanted.get(name) != checksum for name, checksum in read.items())

    def _checksums(self, item: Object) -> dict[str, str]:
        annotations = item["metadata"].get("annotations") or {}
        found = {name: annotations.get(f"checksum/{name}-secret", "") for name in self.secrets}
        return {name: str(checksum) for name, checksum in found.items() if checksum}

"""A deployed environment as the rotation of its Fernet key sees it: configuration, deployments, Jobs in its cluster."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from cli.base.errors import KitError, UserError
from cli.base.phases import Phases
from cli.base.settings import qualified
from cli.base.values import need
from cli.cloud.kubernetes import Object
from cli.operations import deployment, jobs, migration_job
from cli.operations.deployment import DeploymentPlan
from cli.operations.live import Live
from cli.operations.rotation import encryption
from cli.operations.rotation.fernet import STEPS
from cli.operations.teardown.waiting import until_none
from cli.stack import rotation
from cli.stack.rotation import Rotation
from infra.contract.settings import SECRETS, SETTINGS

CHECKSUM: Final = "checksum/fernet-secret"
"""The annotation of pods that read the key at their start: it is another one for another key."""

SETTLE_SECONDS: Final = 3600.0
"""A scheduler that runs tasks in its pod waits for them: ten minutes, or as its values say."""

_PODS = "app.kubernetes.io/name=airflow"
_BACKUP_DAYS = "backupDays"
_CHECKSUM_KEY = "checksumKey"


@dataclass(frozen=True)
class DeployedInstallation:
    """cli.operations.rotation.fernet.Installation, whose lease is held."""

    live: Live
    planned: DeploymentPlan
    phases: Phases

    def configured(self) -> str:
        return need(self.live.backend.config(), encryption.KEY)

    def deployed(self) -> str:
        return encryption.deployed_key(self.live.kubernetes)

    def under_way(self) -> Rotation | None:
        return rotation.under_way(self.live.backend)

    def begin(self, begun: Rotation) -> None:
        backend = self.live.backend
        if qualified(_CHECKSUM_KEY) not in backend.configured():
            raise UserError(
                f'"{self.live.environment.name}" was deployed by an Aerodrome that could not rotate its secrets',
                "The checksums of its pods are made with the Fernet key: a new one would restart the database, too. "
                "Nothing was changed. Give them a key of their own and deploy that, which restarts all pods once:",
                "python3 -c 'import secrets; print(secrets.token_urlsafe(32))' | ./aerodrome config set "
                f"{_CHECKSUM_KEY}{self.live.session.same} && ./aerodrome up{self.live.session.same}",
            )
        rotation.remember(backend, begun)

    def configure(self, keys: str) -> None:
        self.live.backend.set_config(encryption.KEY, keys, secret=True)

    def retire(self, old: str) -> None:
        backend, today = self.live.backend, self.today()
        days = 0
        if not self.live.shared:
            configured = backend.plain().get(qualified(_BACKUP_DAYS))
            days = int(configured or SETTINGS[_BACKUP_DAYS].default)
        rotation.retire(backend, old, today, days)
        rotation.note_made(backend, [encryption.KEY.partition(":")[2]], today)

    def deploy(self, number: int) -> None:
        self.phases.skip_to(number)
        title = STEPS[number - 1]
        deployment.deploy_again(self.live.session, self.planned, self.phases, title)
        settle(self.live, self.live.session.console.report)

    def count(self, other: str = "") -> Mapping[str, Mapping[str, Any]]:
        return encryption.count(self.live, other)

    def encrypt(self) -> Mapping[str, Any]:
        return encryption.encrypt(self.live)

    def end(self) -> None:
        rotation.forget(self.live.backend)

    def make(self) -> str:
        return SECRETS[encryption.KEY.partition(":")[2]]()

    def today(self) -> date:
        return self.live.session.today()


def settle(live: Live, report: Callable[[str], None], seconds: float = SETTLE_SECONDS) -> None:
    """Waits until no pod is left that has read another Fernet key: what it wrote last, nobody would encrypt anew."""
    job = migration_job.need(live, "What tells the pods of before")
    wanted = _checksum(job["spec"]["template"])
    said: list[str] = []

    def look() -> list[str]:
        pods = live.kubernetes.objects("pods", selector=_PODS)
        left = sorted(str(pod["metadata"]["name"]) for pod in pods if _is_former(pod, wanted))
        if left and left != said:
            report(f"pods of before end: {', '.join(left)}")
            said[:] = left
        return left

    if left := until_none(look, seconds, jobs.PAUSE, lambda _: None):
        raise KitError(
            f"Pods with the Fernet key of before do not end: {', '.join(left)}",
            "The rotation goes on when they are gone. Nothing is lost by waiting: all pods read all rows.",
            f"./aerodrome secrets rotate fernet{live.session.same}",
        )


def _is_former(pod: Object, wanted: str) -> bool:
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not ended and _checksum(pod) not in ("", wanted)


def _checksum(item: Object) -> str:
    return str((item["metadata"].get("annotations") or {}).get(CHECKSUM, ""))

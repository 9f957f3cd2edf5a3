"""A deployed environment as the rotation of its Fernet key sees it: configuration, deployments, Jobs in its cluster."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from cli.base.errors import UserError
from cli.base.phases import Phases
from cli.base.settings import qualified
from cli.base.values import need
from cli.operations.deployment import DeploymentPlan
from cli.operations.live import Live
from cli.operations.rotation import encryption
from cli.operations.rotation.fernet import STEPS
from cli.operations.rotation.rollout import Rollout
from cli.stack import rotation
from cli.stack.rotation import Rotation
from infra.contract.settings import SECRETS, SETTINGS

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
        return rotation.under_way(self.live.backend, rotation.FERNET)

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
        rotation.remember(backend, rotation.FERNET, begun)

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
        rollout = Rollout(self.live, self.planned, self.phases, rotation.FERNET, ("fernet",), STEPS)
        rollout.deploy(number)

    def count(self, other: str = "") -> Mapping[str, Mapping[str, Any]]:
        return encryption.count(self.live, other)

    def encrypt(self) -> Mapping[str, Any]:
        return encryption.encrypt(self.live)

    def end(self) -> None:
        rotation.forget(self.live.backend, rotation.FERNET)

    def make(self) -> str:
        return SECRETS[encryption.KEY.partition(":")[2]]()

    def today(self) -> date:
        return self.live.session.today()

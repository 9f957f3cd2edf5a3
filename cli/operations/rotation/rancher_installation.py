"""A deployed environment as the rotation of Rancher's access key sees it: configuration, deployments, and IAM."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from cli.base.errors import UserError
from cli.base.phases import Phases
from cli.base.settings import qualified
from cli.operations import deployment
from cli.operations.deployment import DeploymentPlan
from cli.operations.live import Live
from cli.operations.rotation import applicable
from cli.operations.rotation.rancher import STEPS
from cli.stack import rotation
from cli.stack.rotation import Rotation
from infra.contract import rancher_keys
from infra.contract.rancher_keys import RancherKeys, resource_name

KEYS: Final = qualified(rancher_keys.SETTING)
USER: Final = "aws:iam/user:User"


@dataclass(frozen=True)
class KeyInstallation:
    """cli.operations.rotation.rancher.KeysInstallation, whose lease is held."""

    live: Live
    planned: DeploymentPlan
    phases: Phases
    said: bool
    """Somebody says that Rancher has the new key."""

    def configured(self) -> RancherKeys:
        return RancherKeys.parse(self.live.backend.plain().get(KEYS, rancher_keys.DEFAULT))

    def deployed(self) -> Mapping[int, str]:
        user, found = self._user_in_the_stack, {}
        for name, key in applicable.access_keys(self.live).items():
            number = 1 if name == user else int(name.rpartition("-")[2])
            if name == resource_name(user, number):
                found[number] = key
        return found

    def require_ready(self) -> None:
        if reason := applicable.hindrance(self.live, rotation.RANCHER):
            raise UserError(
                f'"{self.live.environment.name}" has no access key to replace',
                f"{reason} Nothing was changed.",
                f"./aerodrome secrets status{self.live.session.same}",
            )

    def under_way(self) -> Rotation | None:
        return rotation.under_way(self.live.backend, rotation.RANCHER)

    def begin(self, begun: Rotation) -> None:
        rotation.remember(self.live.backend, rotation.RANCHER, begun)

    def configure(self, keys: RancherKeys) -> None:
        self.live.backend.set_plain({KEYS: keys.text()})

    def deploy(self, number: int) -> None:
        self.phases.skip_to(number)
        deployment.deploy_again(self.live.session, self.planned, self.phases, STEPS[number - 1])

    def there(self) -> Mapping[str, bool]:
        keys = self._iam.list_access_keys(UserName=self._user)["AccessKeyMetadata"]
        return {str(one["AccessKeyId"]): one["Status"] == "Active" for one in keys}

    def handed_over(self, key: str) -> bool:
        if self.said:
            return True
        used = self._iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"]
        return "LastUsedDate" in used

    def end(self) -> None:
        backend = self.live.backend
        rotation.note_made(backend, [rancher_keys.SETTING], self.today())
        rotation.forget(backend, rotation.RANCHER)

    def today(self) -> date:
        return self.live.session.today()

    @property
    def _iam(self) -> Any:
        return self.live.client("iam")

    @property
    def _user_in_the_stack(self) -> str:
        return self.live.names.of("rancher")

    @property
    def _user(self) -> str:
        """As IAM calls it, with Pulumi's suffix."""
        wanted = self._user_in_the_stack
        resources = self.live.backend.resources()
        return next(one.id for one in resources if one.type == USER and one.name == wanted)

"""What the rotations of two passwords that logins take turns with have in common: configuration, record, end."""

import base64
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from cli.base.settings import qualified
from cli.base.values import need, reveal
from cli.operations.live import Live
from cli.operations.rotation.database import DatabaseAccess, TakenInTurn
from cli.operations.rotation.rollout import Rollout
from cli.stack import rotation
from cli.stack.rotation import RENEWED, Rotation
from infra.contract import database_logins
from infra.contract.secret_contents import SECRET_NAMES
from infra.contract.settings import SECRETS


@dataclass(frozen=True)
class LoginInstallation:
    """The part of cli.operations.rotation.database.DatabaseInstallation that is the same for each; the lease is held."""

    login: ClassVar[TakenInTurn]
    secret: ClassVar[str]
    """The chart's name of the Secret that has the deployed password, at `entry`."""

    entry: ClassVar[str]

    rollout: Rollout

    @property
    def live(self) -> Live:
        return self.rollout.live

    @property
    def _key(self) -> str:
        return RENEWED[self.login.which]

    def configured(self) -> DatabaseAccess:
        config = self.live.backend.config()
        password = need(config, qualified(self._key))
        text = str(reveal(config.get(qualified(self.login.setting), "")))
        return DatabaseAccess(password, database_logins.of(password, text))

    def deployed(self) -> str:
        secret = self.live.kubernetes.find("secret", SECRET_NAMES[self.secret]) or {}
        return base64.b64decode((secret.get("data") or {}).get(self.entry, "")).decode()

    def under_way(self) -> Rotation | None:
        return rotation.under_way(self.live.backend, self.login.which)

    def begin(self, begun: Rotation) -> None:
        rotation.remember(self.live.backend, self.login.which, begun)

    def configure(self, access: DatabaseAccess) -> None:
        backend, now = self.live.backend, self.configured()
        if access.password != now.password:
            backend.set_config(qualified(self._key), access.password, secret=True)
        if access.logins != now.logins:
            backend.set_config(qualified(self.login.setting), access.logins.text(), secret=True)

    def end(self) -> None:
        backend = self.live.backend
        rotation.note_made(backend, [self._key], self.today())
        rotation.forget(backend, self.login.which)

    def make(self) -> str:
        return SECRETS[self._key]()

    def today(self) -> date:
        return self.live.session.today()

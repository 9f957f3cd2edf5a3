"""A deployed environment as the rotation of its database's password sees it: configuration, deployments, a Job that logs in."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from cli.base.errors import UserError
from cli.base.settings import qualified
from cli.base.values import need, reveal
from cli.operations.live import Live
from cli.operations.rotation import applicable, poolers
from cli.operations.rotation.database import OF_DATABASE, DatabaseAccess
from cli.operations.rotation.database_logins import tried
from cli.operations.rotation.rollout import Rollout
from cli.stack import rotation
from cli.stack.rotation import Rotation
from infra.contract import database_logins
from infra.contract.secret_contents import SECRET_NAMES
from infra.contract.settings import SECRETS

KEY: Final = "databasePassword"
LOGINS: Final = qualified(database_logins.SETTING)


@dataclass(frozen=True)
class PasswordInstallation:
    """cli.operations.rotation.database.DatabaseInstallation, whose lease is held."""

    rollout: Rollout

    @property
    def live(self) -> Live:
        return self.rollout.live

    def configured(self) -> DatabaseAccess:
        config = self.live.backend.config()
        password = need(config, qualified(KEY))
        text = str(reveal(config.get(LOGINS, "")))
        return DatabaseAccess(password, database_logins.of(password, text))

    def deployed(self) -> str:
        secret = self.live.kubernetes.find("secret", SECRET_NAMES["database"]) or {}
        return base64.b64decode((secret.get("data") or {}).get("password", "")).decode()

    def under_way(self) -> Rotation | None:
        return rotation.under_way(self.live.backend, rotation.DATABASE)

    def require_ready(self) -> None:
        same, name = self.live.session.same, self.live.environment.name
        if reason := applicable.hindrance(self.live, rotation.DATABASE):
            raise UserError(
                f'The database password of "{name}" cannot be rotated while Airflow works',
                f"{reason} Nothing was changed. To replace it with an interruption, set another one (./aerodrome config set "
                "databasePassword) and deploy that:",
                f"./aerodrome up{same}",
            )
        if not self.live.shared and not self.live.kubernetes.find("secret", SECRET_NAMES["logins"]):
            raise UserError(
                f'"{name}" was deployed by an Aerodrome that could not rotate the password of its database',
                "Its PostgreSQL does not know of a second user, and is started again once by the deployment that tells it. "
                "Nothing was changed. Deploy first:",
                f"./aerodrome up{same}",
            )

    def begin(self, begun: Rotation) -> None:
        rotation.remember(self.live.backend, rotation.DATABASE, begun)

    def configure(self, access: DatabaseAccess) -> None:
        backend, now = self.live.backend, self.configured()
        if access.password != now.password:
            backend.set_config(qualified(KEY), access.password, secret=True)
        if access.logins != now.logins:
            backend.set_config(LOGINS, access.logins.text(), secret=True)

    def deploy(self, number: int) -> None:
        self.rollout.deploy(number)
        # Before anything relies on it; and who left the list is let in no more.
        with self.rollout.phases.longer():
            poolers.tell(self.live, f"{OF_DATABASE.again}{self.live.session.same}")

    def accepted(self, passwords: Mapping[str, str]) -> Mapping[str, bool]:
        names = self.live.names
        users = {"first": names.database, "second": names.second_user}
        logins = [(users[which], password) for which, password in passwords.items()]
        answers = tried(self.live, logins)
        return dict(zip(passwords, answers, strict=True))

    def end(self) -> None:
        backend = self.live.backend
        rotation.note_made(backend, [KEY], self.today())
        rotation.forget(backend, rotation.DATABASE)

    def make(self) -> str:
        return SECRETS[KEY]()

    def today(self) -> date:
        return self.live.session.today()
